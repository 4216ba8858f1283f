"""All that rules are asked of: the pictures with what was measured of each, the run's settings, the thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from trainer.checking.measures.measured import FaceMeasured, Measured
from trainer.checking.settings import Role
from trainer.checking.survey import Sighted, Survey
from trainer.checking.thresholds import Thresholds
from trainer.config.config import TrainConfig
from trainer.data.pictures import Frame

FACELESS = 0.5  # of the pictures: with a face in fewer, the pack is to be doubted, and not the pictures


@dataclass(frozen=True)
class Looked:
    """A picture, what was measured of it, and how training cuts it (None: it cannot be read)."""

    sighted: Sighted
    measured: Measured
    frame: Frame | None

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.sighted.path

    @property
    def role(self) -> Role:
        """What it is for."""
        return self.sighted.role

    @property
    def caption(self) -> str:
        """As training reads it."""
        return self.sighted.caption

    @property
    def face(self) -> FaceMeasured | None:
        """Its largest face."""
        return self.measured.face

    @property
    def is_readable(self) -> bool:
        """Whether there is anything measured of it."""
        return not self.measured.fault


@dataclass(frozen=True)
class Twins:
    """Two pictures that are one, by their numbers in `Evidence.pictures`. `same`: by their bytes."""

    one: int
    other: int
    same: bool


@dataclass(frozen=True)
class Subject:
    """How captions call the subject: `trigger` whole ("ohwx woman"), its own `word` ("ohwx"), its `class_word`.

    Empty where that is not known. `is_person`: whether a face is to be expected.
    """

    trigger: str = ""
    word: str = ""
    class_word: str = ""
    is_person: bool = False


@dataclass(frozen=True)
class Evidence:
    """`people` (N,) of the train pictures with a face: which person each shows, 0 is who most of them show."""

    survey: Survey
    pictures: tuple[Looked, ...]
    twins: tuple[Twins, ...]
    people: np.ndarray
    subject: Subject
    config: TrainConfig
    thresholds: Thresholds
    has_faces: bool
    token_counts: dict[str, int] = field(default_factory=dict)

    def of(self, role: Role) -> list[Looked]:
        """The pictures of a role that can be read."""
        return self._by_role[role]

    @cached_property
    def _by_role(self) -> dict[Role, list[Looked]]:
        return {role: [one for one in self.pictures if one.role == role and one.is_readable] for role in Role}

    @property
    def train(self) -> list[Looked]:
        """The subject's pictures that can be read."""
        return self.of(Role.TRAIN)

    @property
    def lacks_faces(self) -> bool:
        """Whether a face is found in so few of the subject's pictures that the face pack is to be doubted."""
        return self.has_faces and bool(self.train) and len(self.with_face) < FACELESS * len(self.train)

    @cached_property
    def with_face(self) -> list[Looked]:
        """Those of them with a face."""
        return [one for one in self.train if one.face is not None]


def embeddings_of(pictures: Sequence[Looked]) -> np.ndarray:
    """(N, D) of their faces; all have one."""
    return np.array([one.face.embedding for one in pictures if one.face is not None], dtype=np.float64)
