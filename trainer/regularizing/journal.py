"""What was drawn of the reg pictures, a line a picture, so that a killed run goes on and draws nothing twice.

A kept picture is known by its file, a rejected one by its line here. The file is hidden: nobody takes it for data.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from foundation.errors import ConfigurationError
from foundation.files import write_text
from foundation.text_files import read_text
from foundation.typed.json_values import is_table, parse_json

NAME = ".regularize.jsonl"


class OtherPicturesError(ConfigurationError):
    """A folder whose pictures were drawn of something else."""


@dataclass(frozen=True)
class Drawn:
    """A picture that was drawn: for which place, in which attempt (from 0), and why it was not kept, or None."""

    place: int
    attempt: int
    fault: str | None
    likeness: float | None = None


@dataclass
class Journal:
    """All that was drawn into a folder, of the request that `key` is the hash of."""

    path: Path
    key: str
    drawn: list[Drawn] = field(default_factory=list[Drawn])

    def next_attempt(self, place: int) -> int:
        """The first attempt at a place that was not made yet."""
        return 1 + max((one.attempt for one in self.drawn if one.place == place), default=-1)

    def add(self, drawn: Sequence[Drawn]) -> None:
        """Write down what was drawn, and have it on the disk."""
        self.drawn += drawn
        rows = [
            {"place": one.place, "attempt": one.attempt, "fault": one.fault, "likeness": one.likeness} for one in drawn
        ]
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write("".join(f"{json.dumps(row)}\n" for row in rows))
            stream.flush()
            os.fsync(stream.fileno())


def open_journal(folder: Path, key: str) -> Journal:
    """The folder's journal, begun where there is none; a line that a kill cut short is not there.

    Raises OtherPicturesError where the folder's pictures are of another request.
    """
    path = folder / NAME
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_text(path, json.dumps({"request": key}) + "\n")
        return Journal(path, key)
    lines = read_text(path).split("\n")
    if lines[-1]:
        write_text(path, "".join(f"{line}\n" for line in lines[:-1]))
    first, *rows = [_row(line) for line in lines[:-1]] or [{}]
    if first.get("request") != key:
        raise OtherPicturesError(
            f"{folder}: its pictures were drawn from other captions, another base model or other settings; name "
            "another place with --output, or remove that folder"
        )
    return Journal(path, key, [drawn for row in rows if (drawn := _drawn(row)) is not None])


def _row(line: str) -> dict[str, object]:
    try:
        found = parse_json(line)
    except ValueError:
        return {}
    return dict(found) if is_table(found) else {}


def _drawn(row: dict[str, object]) -> Drawn | None:
    place, attempt, fault, likeness = (row.get(key) for key in ("place", "attempt", "fault", "likeness"))
    if not isinstance(place, int) or not isinstance(attempt, int):
        return None
    return Drawn(
        place, attempt, str(fault) if fault is not None else None, likeness if isinstance(likeness, float) else None
    )
