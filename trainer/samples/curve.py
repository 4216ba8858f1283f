"""What a run's sample pictures showed, epoch by epoch: the record of them, which a resumed run goes on with."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from foundation.errors import MissingFileError
from foundation.files import write_text
from foundation.text_files import TextFileError, read_text
from foundation.toml_config import Section


class Identity(Section):
    """Of one epoch's pictures: the mean cosine of each largest face to the references' centroid.

    `low` to `high` is the mean's 95 % interval on other pictures like these, None with one picture. A picture counts
    no less than the base model's own of its prompt and seed, so that losing a face never helps; `faces` have one.
    """

    mean: float
    low: float | None
    high: float | None
    faces: int


class EpochSamples(Section):
    """An epoch's pictures (file names, in the prompts' order), or why there are none; epoch 0 is the base model."""

    epoch: int
    pictures: tuple[str, ...] = ()
    identity: Identity | None = None
    failed: str | None = None

    @property
    def note(self) -> str:
        """The line that says why there are none; of use only where they failed."""
        return f"no sample pictures of {self.title}: {self.failed}"

    @property
    def title(self) -> str:
        """What a report calls it."""
        return f"epoch {self.epoch}" if self.epoch else "base model"


class FaceScale(Section):
    """What identity is measured by, and on how many faces; `ceiling` is how alike those are to one another."""

    model: str
    sha256: str
    licence: str
    references: int
    ceiling: float | None


class Curve(Section):
    """`request` is a hash of the run and of how its samples are drawn and measured."""

    request: str
    scale: FaceScale | None = None
    drawn: tuple[EpochSamples, ...] = ()

    def has(self, epoch: int) -> bool:
        """Whether that epoch's pictures were drawn, or tried."""
        return any(one.epoch == epoch for one in self.drawn)

    def with_drawn(self, drawn: EpochSamples) -> Curve:
        """With this epoch in its place, in the order of epochs; an earlier try at it gives way."""
        kept = [one for one in self.drawn if one.epoch != drawn.epoch]
        return self.model_copy(update={"drawn": tuple(sorted([*kept, drawn], key=lambda one: one.epoch))})

    @property
    def floor(self) -> Identity | None:
        """The base model's identity."""
        return next((one.identity for one in self.drawn if one.epoch == 0), None)


def read_curve(path: Path, request: str) -> Curve | None:
    """What is there of this very request; None where it is of another, absent or damaged, and so is drawn again."""
    try:
        curve = Curve.model_validate_json(read_text(path))
    except (OSError, MissingFileError, TextFileError, ValidationError):
        return None
    return curve if curve.request == request else None


def write_curve(curve: Curve, path: Path) -> None:
    """Write it whole."""
    write_text(path, curve.model_dump_json(indent=2) + "\n")
