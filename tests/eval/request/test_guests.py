"""Guests: the same prompts with each one's own trigger put in, and nothing else changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from base_models.prompts.prompt_syntax import fault_of_prompt
from eval.request.cells import Called, Cell
from eval.request.checkpoints import DamagedLorasError
from eval.request.guests import called_so
from eval.request.plan import Plan, make_plan
from eval.request.prompts import prompt_of
from eval.request.spec import PromptsSection, read_spec
from foundation.errors import ConfigurationError, MissingFileError
from random_loras import random_kohya_file

MODULES: dict[str, nn.Module] = {
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q": nn.Linear(8, 8),
    "lora_te_text_model_encoder_layers_0_self_attn_q_proj": nn.Linear(4, 4),
}
SPEC = """
[model]
base = "miniature"
[lora]
checkpoints = ["hina-*.safetensors"]
unet = [0.5, 1.0]
also = [{{}}, {{ file = "style.safetensors", checkpoints = "last" }}]
{guests}
[prompts]
texts = ["photo of ohwx person, smiling", "ohwx person in a park", "photo of a man"]
seeds = 2
trigger = "ohwx person"
class = "person"
[references]
held_out = "references"
[score]
faces = "miniature"
clip = "miniature"
"""
Planned = Callable[[str], Plan]


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    for name, seed in (("hina-000001", 1), ("hina-000002", 2), ("style", 3), ("theirs", 4)):
        random_kohya_file(tmp_path / f"{name}.safetensors", MODULES, seed, ss_epoch="2")

    def plan(guests: str) -> Plan:
        (tmp_path / "grid.toml").write_text(SPEC.format(guests=guests), encoding="utf-8")
        return make_plan(read_spec(tmp_path / "grid.toml"))

    return plan


def guest(file: str, **words: str) -> str:
    said = "".join(f"\n{key} = '''{value}'''" for key, value in words.items())
    return f'[[lora.guest]]\nfile = "{file}.safetensors"{said}\n'


def guests_of(plan: Plan) -> list[Cell]:
    return [cell for cell in plan.cells if cell.called is not None]


def texts(plan: Plan, cell: Cell | None) -> list[tuple[str, int]]:
    return [(picture.prompt, picture.seed) for picture in (plan.picture(cell, unit) for unit in plan.units)]


def test_the_same_prompts_with_the_guests_trigger_put_in(planned: Planned) -> None:
    without = planned("")
    plan = planned(guest("theirs", trigger="sks woman", **{"class": "woman"}))
    own, theirs = plan.cells[: len(without.cells)], guests_of(plan)
    assert [cell.id for cell in own] == [cell.id for cell in without.cells]
    assert plan.units == without.units
    assert [(cell.use.checkpoint.name, cell.use.weights.unet, cell.also) for cell in theirs] == [
        ("theirs", 0.5, ()),
        ("theirs", 1.0, ()),
    ]
    replaced = [(text.replace("ohwx person", "sks woman"), seed) for text, seed in texts(plan, own[0])]
    assert texts(plan, theirs[0]) == replaced
    pictures = list(plan)
    assert len({picture.id for picture in pictures}) == len(pictures) == plan.picture_count
    # Controls: of the grid's class word and of the guest's; bleed prompts are the same for all.
    base = {(picture.prompt, picture.seed) for picture in pictures if picture.cell is None}
    assert {text for text, _ in base} == {
        "photo of person, smiling",
        "person in a park",
        "photo of woman, smiling",
        "woman in a park",
        "photo of a man",
    }
    assert {picture.id for picture in without} < {picture.id for picture in pictures}


def test_a_guest_of_the_same_file_and_words_is_the_own_checkpoint(planned: Planned) -> None:
    without = planned("")
    plan = planned(guest("hina-000002", trigger="ohwx person"))
    twins = guests_of(plan)
    own = [cell for cell in plan.cells if cell.called is None and cell.use.checkpoint.name == "hina-000002"][:2]
    assert [cell.id for cell in twins] == [cell.id for cell in own]
    assert [cell.use.checkpoint.name for cell in twins] == ["hina-000002 as a guest"] * 2
    assert [picture.id for picture in plan] == [picture.id for picture in without]
    assert plan.picture_count == without.picture_count


def test_another_trigger_of_the_same_file_draws_what_the_words_change_alone(planned: Planned) -> None:
    plan = planned(guest("hina-000002", trigger="sks"))
    twin, own = guests_of(plan)[0], next(one for one in plan.cells if one.use.checkpoint.name == "hina-000002")
    assert twin.id != own.id
    assert (twin.lora_id, twin.unet_key, twin.text_key) == (own.lora_id, own.unet_key, own.text_key)
    same = [plan.picture(twin, unit).id == plan.picture(own, unit).id for unit in plan.units]
    assert same == [unit.role == "bleed" for unit in plan.units]
    ids = [picture.id for picture in plan]
    assert len(set(ids)) == len(ids) == plan.picture_count


def test_the_class_word_alone_changes_the_control_alone(planned: Planned) -> None:
    plan = planned(guest("theirs", trigger="x") + guest("hina-000002", trigger="ohwx person", **{"class": "woman"}))
    plain, other = guests_of(plan)[0], guests_of(plan)[2]
    assert plain.called == Called("x", "")
    assert other.called == Called("", "woman")
    own = next(one for one in plan.cells if one.use.checkpoint.name == "hina-000002")
    assert other.id != own.id
    assert texts(plan, other) == texts(plan, own)


def test_what_is_said_before_anything_is_drawn(planned: Planned) -> None:
    plan = planned(guest("theirs", trigger="a man"))
    assert "guest theirs: prompts say `a man`, and its control is shown `person`" in plan.said
    assert any("`photo of a man` tests for bleed and has its trigger" in note for note in plan.said)
    assert plan.said[0].count("theirs") == 0  # no part of the order of training


def test_what_is_no_guest_is_refused(planned: Planned, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="nobody"):
        planned(guest("nobody", trigger="x"))
    (tmp_path / "broken.safetensors").write_bytes(b"no header")
    with pytest.raises(DamagedLorasError, match=r"broken.*leave it out of \[lora\] guest"):
        planned(guest("broken", trigger="x"))
    for words in ({"trigger": " "}, {"trigger": "a\nb"}, {"trigger": "x", "class": ""}, {}):
        with pytest.raises(ConfigurationError, match="guest"):
            planned(guest("theirs", **words))
    with pytest.raises(ConfigurationError, match="stands there twice"):
        planned(guest("theirs", trigger="x") * 2)
    for hostile in ("<lora:evil:1>", "__wild__", "{a|b}", "embedding:x", "[a:b:0.5]"):
        with pytest.raises(ConfigurationError, match=r"\[\[lora\.guest\]\] theirs\.safetensors"):
            planned(guest("theirs", trigger=hostile))


@given(trigger=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12))
def test_a_trigger_is_text_whatever_stands_in_it(trigger: str) -> None:
    """Backslashes, groups of regular expressions, braces of formats, tags: put in letter by letter."""
    own = PromptsSection.model_validate({"texts": ["x"], "trigger": "ohwx person", "class": "person"})
    prompt = prompt_of("photo of ohwx person, OHWX  person", "ohwx person", "person")
    asked = called_so(prompt, own, Called(trigger, ""))
    assert asked.text == f"photo of {trigger}, {trigger}"
    assert asked.class_text == "photo of person, person"
    # A `#` at the start of a line is a comment, and within one a character.
    assert (fault_of_prompt(f"of {trigger}") is None) or fault_of_prompt(asked.text) is not None


def test_one_file_with_two_triggers_has_two_names(planned: Planned, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    shutil.copy(tmp_path / "theirs.safetensors", tmp_path / "sub" / "theirs.safetensors")
    plan = planned("".join(guest(file, trigger=word) for file in ("theirs", "sub/theirs") for word in ("x", "y")))
    names = [cell.use.checkpoint.name for cell in guests_of(plan)][::2]
    assert len(set(names)) == 4
    assert [cell.id for cell in guests_of(plan)][:4] == [cell.id for cell in guests_of(plan)][4:]
