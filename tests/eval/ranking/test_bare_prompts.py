"""Which prompts leave the picture to the LoRA."""

from dataclasses import replace

import pytest

from eval.ranking.bare_prompts import bare_units, telling_units, words_said
from eval.request.units import Unit
from synthetic_evidence import make_evidence


@pytest.mark.parametrize(
    "prompt",
    [
        "photo of ohwx person",
        "Photo of a OHWX Person.",
        "ohwx",
        "a portrait of ohwx woman, best quality, masterpiece",
        "ohwx person, 8k, close-up",
    ],
)
def test_the_trigger_and_no_more_is_bare(prompt: str) -> None:
    assert words_said(prompt, "ohwx", "person") == []


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("photo of ohwx person, smiling", ["smiling"]),
        ("ohwx person in a red hoodie", ["red", "hoodie"]),
        ("photo of ohwxy person", ["ohwxy"]),
        ("photo of ohwx dog", ["dog"]),
    ],
)
def test_other_words_say_something(prompt: str, said: list[str]) -> None:
    assert words_said(prompt, "ohwx", "person") == said


def test_the_words_of_the_trigger_and_of_the_class_say_nothing() -> None:
    assert words_said("photo of hina amano dog", "hina amano", "shiba dog") == []
    assert words_said("hina on the beach", "hina amano", "dog") == ["beach"]


def test_bare_prompts_tell_and_where_there_are_none_all_do() -> None:
    evidence = make_evidence([0.5], prompts=2, seeds=2)
    assert not bare_units(replace(evidence, trigger="ohwx person")).any()
    assert telling_units(replace(evidence, trigger="ohwx person")).tolist() == [True] * 4
    units = [
        Unit("photo of ohwx person", one.seed, one.role) if at < 2 else one for at, one in enumerate(evidence.units)
    ]
    bare = replace(evidence, units=units, trigger="ohwx person", class_word="person")
    assert telling_units(bare).tolist() == bare_units(bare).tolist() == [True, True, False, False]
    assert telling_units(replace(bare, trigger="", class_word="")).tolist() == [True] * 4
