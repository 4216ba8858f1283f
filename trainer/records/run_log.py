"""The lines of a run's steps, `NAME-log.jsonl`: one a sound step, in order, whatever was undone in between."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundation.errors import RunLogError
from foundation.files import write_text
from foundation.typed.json_values import parse_json


@dataclass(frozen=True)
class LoggedStep:
    """A step that was made: its loss, the norm of its gradient, and each learning rate by its name."""

    step: int
    epoch: int
    loss: float
    gradient: float
    rates: dict[str, float]

    @classmethod
    def parse(cls, line: str) -> LoggedStep:
        """Raises ValueError for a line that is not one."""
        parsed = parse_json(line)
        if not isinstance(parsed, dict) or not all(isinstance(value, int | float) for value in parsed.values()):
            raise ValueError("not a step's figures")
        figures: dict[str, Any] = dict(parsed)
        if missing := {"step", "epoch", "loss", "gradient"} - figures.keys():
            raise ValueError(f"without {', '.join(sorted(missing))}")
        own = {name: figures.pop(name) for name in ("step", "epoch", "loss", "gradient")}
        return cls(**own, rates=figures)

    def line(self) -> str:
        figures = {"step": self.step, "epoch": self.epoch, "loss": self.loss, "gradient": self.gradient}
        return json.dumps({**figures, **self.rates}) + "\n"


class RunLog:
    """Appends whole lines, flushed at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def back_to(self, step: int) -> None:
        """Forget the steps after `step`, and what a kill left of a line. Raises RunLogError."""
        if self._path.is_file():
            kept = [one.line() for one in self.steps() if one.step <= step]
            write_text(self._path, "".join(kept))

    def steps(self) -> list[LoggedStep]:
        """The steps that stand, in order. Raises RunLogError for a whole line that is not a step's."""
        if not self._path.is_file():
            return []
        lines = self._path.read_bytes().splitlines(keepends=True)
        return [self._parsed(number, line) for number, line in enumerate(lines, 1) if line.endswith(b"\n")]

    def _parsed(self, number: int, line: bytes) -> LoggedStep:
        try:
            return LoggedStep.parse(line.decode())
        except ValueError as error:
            raise RunLogError(
                f"{self._path}: line {number} is not a step of a run ({error}); remove that line, or the whole file: "
                "the run goes on without it"
            ) from error

    def add(self, steps: Sequence[LoggedStep]) -> None:
        with self._path.open("a", encoding="utf-8") as log:
            log.write("".join(step.line() for step in steps))
