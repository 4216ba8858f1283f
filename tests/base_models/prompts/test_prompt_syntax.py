"""What means something else in other tools never passes as words; what other tools write beside words is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base_models.prompts.prompt_syntax import cautions_of_prompt, fault_of_prompt
from base_models.prompts.prompt_weights import plain_text
from base_models.prompts.written_prompts import WrittenPrompt, prompt_of_table, prompts_in, written_prompt
from foundation.errors import ConfigurationError

WORDS = st.text(alphabet="abc ,.'()-:12", max_size=20)
REFUSED = [
    "<lora:Kat:0.6>",
    "<hypernet:x:1>",
    "<random:a,b>",
    "__hair__",
    "__clothes/summer*__",
    "{a|b}",
    "{2$$red|blue}",
    "${hair}",
    "[cat:dog:0.5]",
    "[cat:0.5]",
    "[cat::10]",
    "[(cat:1.2):dog: .5 ]",
    "[[cat]:dog:5]",
    "[a|b]",
    "AND",
    "ADDCOMM",
    "embedding:EasyNegative",
    "--ar 16:9",
    "--n",
]


@pytest.mark.parametrize("syntax", REFUSED)
def test_other_syntax_is_named(syntax: str) -> None:
    for prompt in (syntax, f"photo of ohwx, {syntax}", f"{syntax} at night", f"(a {syntax} b:1.2)"):
        fault = fault_of_prompt(prompt)
        assert fault is not None, prompt
        assert syntax.partition(" ")[0].rpartition("[")[2].partition("]")[0] in fault


@pytest.mark.parametrize("syntax", [one for one in REFUSED if one not in ("AND", "ADDCOMM", "--n", "--ar 16:9")])
@given(before=WORDS, after=WORDS)
def test_wherever_it_stands(syntax: str, before: str, after: str) -> None:
    assert fault_of_prompt(f"{before} {syntax} {after}") is not None


@pytest.mark.parametrize(
    "prompt",
    [
        "photo of ohwx person, (smiling:1.3), [dark], ((red)) hair",
        "a cat BREAK (a dog BREAK red) BREAKING",
        "well-lit -- or not, a land of sand, AND_gate, [a, b]",
        r"\[cat:dog:0.5\], \{a\|b\}, \<lora\> snow_white__queen",
        "a (5:30 train) at [night]",
        "<s1> in a sunny garden, #1 dad mug, C# keyboard",
        "3/4 view // studio",
        "__",
    ],
)
def test_words_are_words(prompt: str) -> None:
    assert fault_of_prompt(prompt) is None
    assert plain_text(prompt)


@given(st.text(alphabet=st.characters(exclude_characters="<>[]{}_$#|/-\\", exclude_categories=["Cs"]), max_size=60))
def test_without_syntax_nothing_is_refused(text: str) -> None:
    prompt = text.replace("AND", "and").replace("ADD", "add").replace("embedding", "").replace("egative", "")
    assert fault_of_prompt(prompt.replace("Steps", "")) is None


@pytest.mark.parametrize(
    ("prompt", "said"), [("a {red} hat", "braces"), ("(word:1,3)", "comma in a weight"), ("sky++, x", "plus")]
)
def test_what_may_be_meant_otherwise_is_a_caution(prompt: str, said: str) -> None:
    (caution,) = cautions_of_prompt(prompt)
    assert said in caution
    assert not cautions_of_prompt("a (red:1.3) hat, 1+1, C++11")


def test_comments_infotext_and_options_in_a_prompt_are_faults() -> None:
    for prompt in (
        "# samples",
        "// old",
        "a cat # smiling",
        "a cat\nNegative prompt: ugly",
        "a cat\nSteps: 20, Seed: 1",
    ):
        assert fault_of_prompt(prompt) is not None


def test_kohyas_lines() -> None:
    text = (
        "# samples\n\nphoto of ohwx person --n low quality, ugly --w 512 --h 768 --d 1 --l 7.5 --s 30\n"
        "   # another\na dog -- no option\r\nOHWX --D 5 --N bad\n"
    )
    assert prompts_in(text) == [
        WrittenPrompt("photo of ohwx person", "low quality, ugly", ("size", "seed", "cfg", "steps")),
        WrittenPrompt("a dog -- no option"),
        WrittenPrompt("OHWX", "bad", ("seed",)),
    ]


def test_kohyas_tables() -> None:
    table = {"prompt": "ohwx", "negative_prompt": "ugly", "width": 512, "seed": 1, "sample_steps": 20, "scale": 7}
    assert prompt_of_table(table) == WrittenPrompt("ohwx", "ugly", ("size", "seed", "steps", "cfg"))
    with pytest.raises(ConfigurationError, match="`--controlnet_image`"):
        prompt_of_table({"prompt": "ohwx", "controlnet_image": "a.png"})


INFOTEXT = """photo of ohwx person,
smiling
Negative prompt: ugly,
 bad hands
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 12, Size: 512x768, Model hash: abc, Model: "v1, 5", Version: 1.9
photo of a man
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 12

a plain one
another
"""


def test_a1111s_infotexts_one_after_another_and_lines_beside_them() -> None:
    first, second, *plain = prompts_in(INFOTEXT)
    assert (first.text, first.negative) == ("photo of ohwx person, smiling", "ugly, bad hands")
    assert first.asks == ("steps", "sampler", "cfg", "seed", "size", "base model")
    assert (second.text, second.negative) == ("photo of a man", None)
    assert plain == [WrittenPrompt("a plain one"), WrittenPrompt("another")]
    assert written_prompt(INFOTEXT.partition("photo of a man")[0]) == first


def test_a1111s_script_lines() -> None:
    line = '--prompt "photo of ohwx, smiling" --negative_prompt ugly --width 512 --seed 7 --sampler_name "Euler a"'
    assert prompts_in(line) == [WrittenPrompt("photo of ohwx, smiling", "ugly", ("size", "seed", "sampler"))]
    with pytest.raises(ConfigurationError, match="both quotes"):
        prompts_in('--prompt "photo of ohwx')


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ohwx --cn pose.png", "`--cn`"),
        ("ohwx --ar 16:9", "`--ar`"),
        ("ohwx --w 512 a lost cat", "would be lost"),
        ("--n ugly", "no words before it"),
        ("--prompt --seed 1", "no words before it"),
    ],
)
def test_options_that_no_prompt_can_have_are_named(line: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        prompts_in(line)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = prompts_in(text)
    except ConfigurationError:
        return
    assert all(one.text == one.text.strip() for one in found)
