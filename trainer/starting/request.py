"""What `trainer init` is asked, and the faults of what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from foundation.errors import ConfigurationError
from trainer.config.config import RUN_FILE

Subject = Literal["face", "image"]
TRAIN, GRID, PROMPTS = RUN_FILE, "grid.toml", "prompts.toml"
REFERENCES = "references"


class MissingAnswersError(ConfigurationError):
    """What has to be known to begin, and was neither given nor could be asked."""


class FileThereError(ConfigurationError):
    """A file that would be overwritten."""


class HoldOutError(ConfigurationError):
    """Pictures to be held out that cannot be."""


class NotMovedError(HoldOutError):
    """Nothing is wrong: what would be held out is named, and waits for `--move`."""


class TriggerError(ConfigurationError):
    """A trigger that the captions do not have, or that tells the subject from nothing."""


@dataclass(frozen=True)
class StartRequest:
    """What was asked for; None is what is still to be found out.

    `hold_out`: so many training pictures become the references, which are `moved` only where that is asked for.
    `changes`: `train.TABLE.KEY=VALUE` or `grid.TABLE.KEY=VALUE`, written in place of our own values.
    """

    folder: Path
    base: str | None = None
    train: Path | None = None
    reg: Path | None = None
    references: Path | None = None
    hold_out: int | None = None
    moved: bool = False
    trigger: str | None = None
    class_word: str | None = None
    preset: str | None = None
    subject: Subject | None = None
    faces: str | None = None
    clip: str | None = None
    price_per_hour: float | None = None
    changes: tuple[str, ...] = ()
    overwrites: bool = False

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """The configuration of the run, the specification of the grid, the prompts."""
        return self.folder / TRAIN, self.folder / GRID, self.folder / PROMPTS

    def check_nothing_is_lost(self) -> None:
        """Raise FileThereError for a file that stands where one would be written."""
        there = [path for path in self.files if path.exists()]
        if there and not self.overwrites:
            raise FileThereError(
                f"{', '.join(map(str, there))}: there already; name another folder, or overwrite with --force"
            )

    def check_answered(self) -> None:
        """Raise MissingAnswersError for what nothing can be begun without."""
        wanted = {
            "--base MODEL": self.base,
            "--train FOLDER": self.train,
            "--references FOLDER (pictures that are not trained on) or --hold-out N": self.references or self.hold_out,
        }
        if missing := [option for option, given in wanted.items() if given is None]:
            raise MissingAnswersError(
                f"still to be said: {', '.join(missing)}; in a terminal they are asked for, one by one"
            )
