"""The lines of a run's steps, `NAME-log.jsonl`: one a sound step, in order, whatever was undone in between."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.files import write_text


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
        figures = json.loads(line)
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
        """Forget the steps after `step`, and what a kill left of a line."""
        if self._path.is_file():
            lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
            write_text(self._path, "".join(kept))

    def steps(self) -> list[LoggedStep]:
        """The steps that stand, in order."""
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.is_file() else []
        return [LoggedStep.parse(line) for line in lines]

    def add(self, steps: Sequence[LoggedStep]) -> None:
        with self._path.open("a", encoding="utf-8") as log:
            log.write("".join(step.line() for step in steps))
