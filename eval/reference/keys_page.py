"""docs/keys.md and docs/schema/: every key of the four kinds of file, from the types that read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from pydantic import BaseModel

from eval.request.grid_keys import grid_keys, prompt_keys
from eval.request.prompt_files import PromptFile
from eval.request.spec import GridSpec
from foundation.key_reference.key_facts import KeyFact
from trainer.checking.thresholds import Thresholds, threshold_keys
from trainer.config.config import TrainConfig
from trainer.config.presets import PRESETS
from trainer.kohya.run_keys import run_keys

PAGE = "keys.md"
INTRODUCTION = """# Every key

Made of the types that read the files, by `make docs`; a test holds it equal. `trainer run --explain KEY`,
`eval grid --explain KEY` and `trainer check --explain KEY` say the same of one key, `trainer init` writes files to
begin with.

`schema/train.json`, `grid.json`, `prompts.json` and `check.json` are JSON schemas, by which an editor completes and
checks a file: with Taplo (VS Code's "Even Better TOML"), put `#:schema PATH/docs/schema/grid.json` on its first line.

The last column says what kohya's trainer and A1111 call it, where they have a word."""
SECTIONS = (
    ("A run: `trainer run CONFIG`", run_keys),
    ("A grid: `eval grid SPEC`", grid_keys),
    ("A file of prompts", prompt_keys),
    ("Thresholds: `trainer check DATASET --thresholds FILE`", threshold_keys),
)


def keys_page() -> str:
    """The page's text."""
    blocks = [INTRODUCTION]
    for title, keys in SECTIONS:
        blocks += [f"## {title}", *_tables(keys())]
    return "\n\n".join(blocks) + "\n"


def schemas() -> dict[str, str]:
    """The JSON schemas' texts by the names of their files."""
    kinds: dict[str, type[BaseModel]] = {
        "train": TrainConfig,
        "grid": GridSpec,
        "prompts": PromptFile,
        "check": Thresholds,
    }
    made = {name: kind.model_json_schema(by_alias=True) for name, kind in kinds.items()}
    _let_presets_answer(made["train"])
    return {f"schema/{name}.json": json.dumps(one, indent=1, ensure_ascii=False) + "\n" for name, one in made.items()}


def _tables(keys: Sequence[KeyFact]) -> list[str]:
    head = "| key | takes | default | unit | | kohya; A1111 |\n|---|---|---|---|---|---|\n"
    tables = groupby(keys, key=lambda one: one.key.partition(".")[0] if "." in one.key else "")
    return [(f"### [{name}]\n\n" * bool(name)) + head + "\n".join(map(_row, own)) for name, own in tables]


def _row(fact: KeyFact) -> str:
    others = "; ".join(word for tool in ("kohya", "A1111") if (word := fact.elsewhere.get(tool, "")))
    cells = (f"`{fact.key}`", fact.takes, fact.default, fact.unit, fact.sentence, f"`{others}`" if others else "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _let_presets_answer(schema: dict[str, Any]) -> None:
    """What a preset sets need not stand in the file."""
    answered: dict[str, set[str]] = {}
    for preset in PRESETS.values():
        for table, values in preset.items():
            answered.setdefault(table, set()).update(values)
    for table, keys in answered.items():
        definition = schema["$defs"][schema["properties"][table]["$ref"].rpartition("/")[2]]
        definition["required"] = [key for key in definition.get("required", []) if key not in keys]
        if not definition["required"] and "anyOf" not in definition:
            schema["required"] = [one for one in schema["required"] if one != table]
