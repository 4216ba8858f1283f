"""Which prompts show the subject: the trigger is a word, not letters; files that are no text are named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.request.prompts import near_misses, read_prompts
from eval.request.spec import PromptsSection
from foundation.errors import ConfigurationError


def section(*texts: str, trigger: str = "sks") -> PromptsSection:
    return PromptsSection.model_validate({"texts": list(texts), "trigger": trigger, "class": "woman"})


def test_the_trigger_is_replaced_as_a_word_in_any_case() -> None:
    found = read_prompts(section("photo of SKS, smiling", "people wearing masks", "(sks:1.2) at desks")).prompts
    assert [(one.role, one.class_text) for one in found] == [
        ("subject", "photo of woman, smiling"),
        ("bleed", "people wearing masks"),
        ("subject", "(woman:1.2) at desks"),
    ]
    (said,) = near_misses(found, "sks")
    assert "people wearing masks" in said


def test_a_trigger_of_several_words_may_be_spaced_as_it_likes() -> None:
    found = read_prompts(section("photo of ohwx  Person, sad", "photo of a person", trigger="ohwx person")).prompts
    assert [one.class_text for one in found] == ["photo of woman, sad", "photo of a person"]


@given(st.text("ab ", max_size=6), st.text("ab ", max_size=6))
def test_letters_on_either_side_make_another_word(before: str, after: str) -> None:
    text = f"{before}sks{after}"
    (one, _) = read_prompts(section(f"x {text} y", "sks")).prompts
    whole = before[-1:] in ("", " ") and after[:1] in ("", " ")
    assert one.role == ("subject" if whole else "bleed")


def test_prompts_that_all_miss_the_trigger_are_told_so() -> None:
    with pytest.raises(ConfigurationError, match="inside another word"):
        read_prompts(section("people wearing masks"))


def test_a_file_of_prompts_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_bytes("photo of sks in Münster".encode("latin-1"))
    asked = PromptsSection.model_validate({"file": str(tmp_path / "prompts.txt"), "trigger": "sks", "class": "woman"})
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        read_prompts(asked)


def test_all_prompts_that_would_pass_as_words_are_named_at_once() -> None:
    texts = ["photo of ohwx", "ohwx AND cat", "ohwx, __hair__", "ohwx <lora:a:0.5>"]
    asked = PromptsSection.model_validate({"texts": texts, "trigger": "ohwx", "class": "person", "seeds": [1]})
    with pytest.raises(ConfigurationError) as caught:
        read_prompts(asked)
    assert all(word in str(caught.value) for word in ("`AND`", "__hair__", "<lora:a:0.5>"))
