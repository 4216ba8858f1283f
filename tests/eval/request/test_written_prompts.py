"""A grid's prompts as people have them: kohya's files and A1111's, with one negative prompt and the grid's own rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.request.plan import make_plan
from eval.request.prompts import AskedPrompts, read_prompts
from eval.request.spec import GridSpec, PromptsSection
from foundation.errors import ConfigurationError


def asked(negative: str = "", **given: object) -> AskedPrompts:
    known = {"trigger": "ohwx", "class": "person", "negative": negative}
    return read_prompts(PromptsSection.model_validate({**known, **given}))


def of_file(path: Path, text: str, negative: str = "") -> AskedPrompts:
    path.write_text(text, encoding="utf-8")
    return asked(negative, file=str(path))


def test_kohyas_prompt_file_is_drawn_with_its_negative_prompt_and_the_rest_is_the_grids(tmp_path: Path) -> None:
    found = of_file(
        tmp_path / "sample_prompts.txt",
        "# samples\nphoto of ohwx --n low quality --w 512 --d 1\nphoto of a man --n low quality --d 2\n",
    )
    assert [(one.text, one.role) for one in found.prompts] == [
        ("photo of ohwx", "subject"),
        ("photo of a man", "bleed"),
    ]
    assert found.negative == "low quality"
    size, negative = found.notes
    assert "[sampler] width and height, [prompts] seeds" in size
    assert "`low quality` is that of all prompts" in negative


def test_the_negative_prompt_is_part_of_what_pictures_are_known_by(tmp_path: Path) -> None:
    def plan_with(text: str) -> str:
        prompts = {"texts": [text], "trigger": "ohwx", "class": "person"}
        lora = {"checkpoints": [str(tmp_path / "a.safetensors")]}
        values = {"model": {"base": "miniature"}, "lora": lora, "prompts": prompts, "references": {"held_out": "."}}
        return make_plan(GridSpec.model_validate(values)).sampling.negative

    from safetensors.torch import save_file
    from torch import ones

    stem = "lora_unet_mid_block_attentions_0_proj_in.lora"
    save_file({f"{stem}_down.weight": ones(1, 8), f"{stem}_up.weight": ones(8, 1)}, tmp_path / "a.safetensors")
    assert plan_with("ohwx --n ugly") == "ugly"
    assert plan_with("ohwx\nNegative prompt: ugly, bad\nSteps: 20, Sampler: Euler, Seed: 1") == "ugly, bad"
    assert plan_with("ohwx") == ""


def test_negative_prompts_that_differ_are_no_grid_and_the_specifications_own_comes_first(tmp_path: Path) -> None:
    text = "ohwx --n ugly\nohwx, smiling --n blurry\n"
    with pytest.raises(ConfigurationError, match="`ugly` and `blurry`; a grid has one"):
        of_file(tmp_path / "a.txt", text)
    found = of_file(tmp_path / "a.txt", text, negative="bad")
    assert found.negative == "bad"
    assert "left out" in found.notes[0]
    assert "also those written without" in of_file(tmp_path / "a.txt", "ohwx --n ugly\nohwx, sad\n").notes[0]
    assert not of_file(tmp_path / "a.txt", "ohwx --n bad", negative="bad").notes


def test_one_prompt_at_several_seeds_is_one_prompt_and_its_negative_prompts_are_all_looked_at(tmp_path: Path) -> None:
    found = of_file(tmp_path / "a.txt", "ohwx --d 1\nohwx --d 2\nohwx, sad\n")
    assert [one.text for one in found.prompts] == ["ohwx", "ohwx, sad"]
    with pytest.raises(ConfigurationError, match="a grid has one"):
        of_file(tmp_path / "a.txt", "ohwx --n ugly\nohwx --n bad\n")


TABLES = [
    ("a.toml", 'prompts = ["photo of ohwx --n ugly", "a man --n ugly"]'),
    (
        "a.toml",
        '[prompt]\nnegative_prompt = "ugly"\nwidth = 512\n[[prompt.subset]]\nprompt = "photo of ohwx"\n'
        '[[prompt.subset]]\nprompt = "a man"\nseed = 1\n',
    ),
    ("a.json", json.dumps(["photo of ohwx --n ugly", {"prompt": "a man", "negative_prompt": "ugly"}])),
    ("A.TXT", "photo of ohwx\nNegative prompt: ugly\nSteps: 20, Seed: 1, Size: 1x1\n\na man --n ugly"),
]


@pytest.mark.parametrize(("name", "text"), TABLES)
def test_files_of_every_form(tmp_path: Path, name: str, text: str) -> None:
    found = of_file(tmp_path / name, text)
    assert ([one.text for one in found.prompts], found.negative) == (["photo of ohwx", "a man"], "ugly")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "[prompt]\nwidth = 1", r"holds prompt; write prompts"),
        ("a.toml", "x = 1\nprompts = []", r"holds x, prompts; write prompts"),
        ("a.toml", "prompts = [3]", r"`3` is no prompt"),
        ("a.json", "{", "not valid JSON"),
        ("a.json", '{"a": 1}', "is no list of prompts"),
        ("a.txt", "ohwx\nthe old man <lora:Kat:0.6>", "puts on a LoRA"),
        ("a.txt", "ohwx --n __bad__", "wildcard"),
        ("a.txt", "ohwx [cat:dog:0.5]", "changes while A1111 draws"),
        ("a.txt", "ohwx {a|b}", "at random"),
        ("a.txt", "ohwx AND a dog", "joins two prompts"),
        ("a.txt", "# nothing\n\n", "empty"),
    ],
)
def test_what_cannot_be_drawn_names_the_file_and_what_it_is(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        of_file(tmp_path / name, text)
    assert str(caught.value).count(str(tmp_path / name)) == 1


def test_a_comment_in_a_list_is_named_and_no_bleed_prompt() -> None:
    with pytest.raises(ConfigurationError, match="`# samples` is a comment"):
        asked(texts=["photo of ohwx", "# samples"])


def test_the_specifications_own_negative_prompt_is_held_to_the_same() -> None:
    with pytest.raises(ConfigurationError, match="wildcard"):
        asked("__bad__", texts=["ohwx"])


def test_a_caution_is_said_once() -> None:
    found = asked(texts=["ohwx {red}", "ohwx {red}, sad", "ohwx (sad:1,2)"])
    assert len(found.notes) == 2
    assert "braces are letters here" in found.notes[0]
