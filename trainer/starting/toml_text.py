"""TOML with a comment beside each value, in the order in which a reader wants it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from foundation.errors import ConfigurationError
from foundation.text_files import TextFileError
from foundation.toml_config import parse_toml

Value = str | int | float | bool | Sequence["Value"] | Mapping[str, "Value"]
WIDTH = 100
OPTION = "--set"


@dataclass(frozen=True)
class Entry:
    """A key with its value, and what is said of it on the lines above."""

    key: str
    value: Value
    comment: str = ""


@dataclass(frozen=True)
class Table:
    """A table of a file; the one without a name stands first. `comment` stands above it."""

    name: str
    entries: tuple[Entry, ...]
    comment: str = ""

    def with_value(self, key: str, value: Value) -> Table:
        """With that value in place of what the key had, or behind the others."""
        if all(entry.key != key for entry in self.entries):
            return replace(self, entries=(*self.entries, Entry(key, value)))
        return replace(
            self, entries=tuple(replace(one, value=value) if one.key == key else one for one in self.entries)
        )


def as_text(tables: Sequence[Table]) -> str:
    """The file's text."""
    blocks: list[str] = []
    for table in tables:
        lines = [*_comment(table.comment), *([f"[{table.name}]"] if table.name else [])]
        for entry in table.entries:
            lines += [*_comment(entry.comment), f"{entry.key} = {written(entry.value)}"]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def changed(tables: Sequence[Table], key: str, value: str) -> list[Table]:
    """With `TABLE.KEY` set to a value as TOML writes it, or as plain text.

    Raises ConfigurationError for a key that is not of that form.
    """
    name, _, inner = key.rpartition(".")
    if not inner or (name and "." in name):
        raise ConfigurationError(f"--set {key}={value}: write train.TABLE.KEY=VALUE or grid.TABLE.KEY=VALUE")
    if all(table.name != name for table in tables):
        return [*tables, Table(name, (Entry(inner, read_value(value)),))]
    return [table.with_value(inner, read_value(value)) if table.name == name else table for table in tables]


def read_value(text: str) -> Value:
    """A value as TOML writes it; what is none is text."""
    try:
        return cast("Value", parse_toml(f"value = {text}", Path(OPTION))["value"])
    except TextFileError:
        return text


def written(value: Value) -> str:
    """A value in TOML; a list that is long has a line for each of its values."""
    if isinstance(value, str):
        # JSON's strings are TOML's but for one control character, which JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {written(one)}" for key, one in value.items()) + " }" if value else "{}"
    parts = [written(one) for one in value]
    line = f"[{', '.join(parts)}]"
    return line if len(line) <= WIDTH else "[\n" + "".join(f"  {part},\n" for part in parts) + "]"


def _comment(text: str) -> list[str]:
    return [f"# {line}".rstrip() for line in text.splitlines()]
