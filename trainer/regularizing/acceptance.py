"""Which drawn pictures are kept as reg pictures: they show somebody of the class, not the subject, and not twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from base_models.drawing.png import failure_of, to_bytes
from base_models.vision.face_model import FaceModel
from base_models.vision.likeness import centroid, unit_length
from base_models.vision.people import people_in
from trainer.regularizing.near import KnownPictures

Fault = Literal["shows nothing", "no face", "like the subject", "there already", "a training picture"]
FAULTS: tuple[Fault, ...] = ("shows nothing", "no face", "like the subject", "there already", "a training picture")
# A face counts as the subject's within so many deviations below the subject's own mean cosine, and at least so far
# below it: on the miniature her own lie at 0.9 and strangers near 0, with insightface's packs at 0.7 and near 0.1.
DEVIATIONS, LEAST_MARGIN = 3.0, 0.25
FEW_FACES = 4  # fewer say little of how the subject varies: the margin is twice as wide


@dataclass(frozen=True)
class Likeness:
    """The subject as one direction (D,), and the cosine from which on a face counts as hers; her own mean beside it."""

    direction: np.ndarray
    limit: float
    own: float
    faces: int


def likeness_of(faces: Sequence[np.ndarray]) -> Likeness | None:
    """Calibrated on the subject's own faces, unit vectors (D,); None without any. Others among them are left out."""
    if not faces:
        return None
    stacked = np.asarray(faces, dtype=np.float64)
    own = stacked[people_in(stacked) == 0]
    few = len(own) < FEW_FACES
    cosines = (own * unit_length(own.sum(0) - own)).sum(-1) if len(own) > 1 else np.ones(1)
    margin = max(DEVIATIONS * float(cosines.std()), LEAST_MARGIN * (2 if few else 1))
    mean = float(cosines.mean())
    return Likeness(centroid(own), mean - margin, mean, len(own))


@dataclass(frozen=True)
class Verdict:
    """`fault` is None for a picture that is kept; `likeness` its face's cosine to the subject, `beside` its twin."""

    fault: Fault | None
    likeness: float | None = None
    beside: str | None = None


class Acceptance:
    """Looks at drawn pictures one by one; what it takes in is compared with from then on.

    `faces` is None where the class has no faces: then nobody is looked for.
    """

    def __init__(self, faces: FaceModel | None, subject: Likeness | None) -> None:
        self._faces, self._subject = faces, subject
        self._trained, self._there = KnownPictures(), KnownPictures()

    def add_trained(self, name: str, pixels: np.ndarray) -> None:
        """A training picture."""
        self._trained.add(name, pixels)

    def add_there(self, name: str, pixels: np.ndarray) -> None:
        """A reg picture that is there."""
        self._there.add(name, pixels)

    def look_at(self, name: str, picture: np.ndarray) -> Verdict:
        """Judge a picture (H, W, 3) float32 in 0..1, and know it from then on if it is kept."""
        if failure_of(picture):
            return Verdict("shows nothing")
        pixels = to_bytes(picture)
        found = self._who(pixels)
        if found.fault:
            return found
        if twin := self._trained.twin_of(pixels):
            return Verdict("a training picture", found.likeness, twin)
        if twin := self._there.twin_of(pixels):
            return Verdict("there already", found.likeness, twin)
        self._there.add(name, pixels)
        return found

    def _who(self, pixels: np.ndarray) -> Verdict:
        if self._faces is None:
            return Verdict(None)
        embedding = self._faces.read(pixels).embedding
        if embedding is None:
            return Verdict("no face")
        if self._subject is None:
            return Verdict(None)
        likeness = float(embedding @ self._subject.direction)
        return Verdict("like the subject" if likeness >= self._subject.limit else None, likeness)
