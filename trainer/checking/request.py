"""What `trainer check` is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from foundation.errors import DatasetError

NO_FACES = "none"


class NoDatasetError(DatasetError):
    """What was given to be checked is no folder of pictures and no configuration of a run."""


@dataclass(frozen=True)
class CheckRequest:
    """`dataset`: a folder, or a run's configuration. None is what the configuration or the folder says, or a default.

    `faces`: a face pack, or "none". `cache`: the folder where measured values are kept.
    """

    dataset: Path
    references: Path | None = None
    faces: str | None = None
    base: str | None = None
    trigger: str | None = None
    class_word: str | None = None
    resolution: int | None = None
    thresholds: Path | None = None
    cache: Path | None = None
