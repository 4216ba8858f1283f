"""What was tried and what became of it: rows that are kept as they are found, the table, and the figures."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KINDS = ("lost", "corrupt", "duplicates", "unnamed", "hangs")


def processor_seconds() -> float:
    """What this process and its ended children have taken of processors."""
    return sum(os.times()[:4])


@dataclass(frozen=True)
class Row:
    """One try. `fault` and `what` say which; `wrong`: what was found, by kind of `KINDS`."""

    fault: str
    what: str
    wrong: dict[str, list[str]]

    @property
    def key(self) -> str:
        return f"{self.fault} | {self.what}"


class Kept:
    """The rows of a torture, kept in a file line by line, so that one that is stopped goes on.

    `seconds`: how long it may take in all, of this process's and its children's processor time, so that other work on
    the machine changes nothing of what is tried; None for as long as it takes. What no time is left for is `left_out`.
    """

    def __init__(self, path: Path, seconds: float | None = None) -> None:
        self._path = path
        self._end = None if seconds is None else processor_seconds() + seconds
        self._until = self._end
        self.left_out = 0
        lines = path.read_text("utf-8").split("\n")[:-1] if path.is_file() else []
        self.rows = [Row(**json.loads(line)) for line in lines]
        self._known = {row.key for row in self.rows}

    @contextmanager
    def part_of(self, parts_left: int) -> Generator[None]:
        """The block may take its part of what time is left, the others as much each."""
        before, now = self._until, processor_seconds()
        self._until = None if before is None else now + max(0.0, before - now) / max(1, parts_left)
        try:
            yield
        finally:
            self._until = before

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self._until is not None and processor_seconds() > self._until

    def wants(self, fault: str, what: str) -> bool:
        """Whether this is still to be tried, and there is time to."""
        if Row(fault, what, {}).key in self._known:
            return False
        self.left_out += self.is_over
        return not self.is_over

    def add(self, row: Row) -> None:
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(vars(row), ensure_ascii=False) + "\n")
        self.rows.append(row)
        self._known.add(row.key)


def table_of(rows: Sequence[Row]) -> list[str]:
    """Fault, tries, survived, lost: a line a fault, in the order in which they were first tried."""
    faults = list(dict.fromkeys(row.fault for row in rows))
    width = max([len(fault) for fault in faults] + [5])
    lines = [f"{'fault':{width}}   tries  survived  lost"]
    for fault in faults:
        own = [row for row in rows if row.fault == fault]
        bad = sum(bool(row.wrong) for row in own)
        lines.append(f"{fault:{width}}  {len(own):6}  {len(own) - bad:8}  {bad:4}")
    return lines


def figures_of(rows: Sequence[Row]) -> dict[str, int]:
    """`tries`, and in how many of them each kind of wrong was found."""
    return {"tries": len(rows), **{kind: sum(kind in row.wrong for row in rows) for kind in KINDS}}
