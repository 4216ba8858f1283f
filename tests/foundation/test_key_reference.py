"""The reference of every key: made of the types that read the files, whole, and held equal to what docs show."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from eval.reference.keys_page import PAGE, keys_page, schemas
from eval.request import grid_keys
from eval.request.grid_keys import prompt_keys
from foundation.key_reference.key_facts import KeyFact, UnknownKeyError, explained, keys_of
from foundation.key_reference.units import PIXELS
from foundation.toml_config import Section
from trainer.config import kohya_words
from trainer.kohya import run_keys
from trainer.kohya.keys import CARRIED_KEYS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
RUN, GRID = run_keys.run_keys(), grid_keys.grid_keys()


class Inner(Section):
    wide: Annotated[int | None, PIXELS] = Field(default=None, ge=8, multiple_of=4)
    """How
    wide."""


class Outer(Section):
    table: Inner
    many: list[Inner] = Field(default_factory=list[Inner])
    """Several."""
    named: float | str = Field(default=0.5, alias="name", gt=0)


def test_a_key_is_told_by_its_type_its_default_its_unit_and_the_sentence_below_it() -> None:
    facts = {one.key: one for one in keys_of(Outer, {"kohya": {"name": "theirs"}}, {"many": "some"})}
    assert list(facts) == ["table.wide", "many", "many.wide", "name"]
    wide = facts["table.wide"]
    assert (wide.takes, wide.default, wide.unit, wide.sentence) == (
        "a whole number, at least 8, a multiple of 4",
        "none",
        "pixels",
        "How wide.",
    )
    assert (facts["many"].takes, facts["many"].default) == ("a list of a table", "some")
    assert facts["name"] == KeyFact("name", "a number or text, above 0", "0.5", "", "", {"kohya": "theirs"})


@pytest.mark.parametrize("facts", [RUN, GRID, prompt_keys()], ids=["run", "grid", "prompts"])
def test_every_key_has_one_sentence(facts: list[KeyFact]) -> None:
    assert [one.key for one in facts if not one.sentence.endswith(".")] == []
    assert len({one.key for one in facts}) == len(facts)


def test_every_key_of_kohyas_stands_beside_ours() -> None:
    words = {one.key: one.elsewhere.get("kohya", "") for one in RUN}
    for theirs, (ours, _) in CARRIED_KEYS.items():
        assert theirs in words[ours].split(", ")


@pytest.mark.parametrize(
    ("words", "facts"),
    [(kohya_words.TRANSLATED, RUN), (kohya_words.A1111, RUN), (grid_keys.A1111, GRID), (grid_keys.KOHYA, GRID)],
)
def test_others_words_stand_beside_keys_that_there_are(words: dict[str, str], facts: list[KeyFact]) -> None:
    assert words.keys() <= {one.key for one in facts}


def test_presets_answer_for_keys_without_a_default() -> None:
    by_key = {one.key: one.default for one in RUN}
    assert by_key["lora.rank"] == "128 (portrait), 16 (miniature)"
    assert by_key["data.enable_bucket"] == "true (portrait), false"
    assert by_key["output.name"] == "required"


def test_the_docs_are_what_the_types_say() -> None:
    """`make docs` writes them."""
    for name, text in {PAGE: keys_page(), **schemas()}.items():
        assert (DOCS / name).read_text(encoding="utf-8") == text


def test_the_schema_asks_for_what_a_file_must_say_and_no_more() -> None:
    schema = json.loads(schemas()["schema/train.json"])
    assert schema["required"] == ["data", "output"]
    assert schema["$defs"]["DataSection"]["anyOf"] == [{"required": ["train"]}, {"required": ["folders"]}]
    assert schema["$defs"]["DataSection"]["required"] == []
    assert schema["$defs"]["DataSection"]["properties"]["resolution"]["description"].startswith("The side")


def test_a_key_is_found_by_its_own_name_and_one_that_is_not_there_has_neighbours() -> None:
    assert explained(RUN, "lora.alpha").splitlines()[0].startswith("lora.alpha: ")
    assert explained(RUN, "max_train_epochs") == explained(RUN, "training.epochs")
    assert explained(GRID, "Sampling steps") == explained(GRID, "sampler.steps")
    assert [line for line in explained(GRID, "steps").splitlines() if "steps: " in line]
    with pytest.raises(UnknownKeyError, match=r"no such key; near are .*prompts\.seeds"):
        explained(GRID, "seedz")


@pytest.mark.parametrize(("room", "command", "key"), [("trainer", "run", "unet_lr"), ("eval", "grid", "cfg")])
def test_the_command_explains_without_a_file(room: str, command: str, key: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", room, command, "--explain", key], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert f".{key}: " in done.stdout
    assert done.stderr == ""
