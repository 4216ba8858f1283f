"""What a face model is, whatever runs it: pictures in, how many faces there are and the largest one's embedding out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from base_models.vision.appearance import appearance_of
from foundation.errors import UserError

# Detectors are trained on faces of some hundred pixels at most; a larger picture is found in at this size.
LARGEST_DETECTOR_SIZE = 640
RIVAL = 0.5  # of the largest face's area, from which on another one may as well be meant


class FacePackError(UserError):
    """A face pack that is not there, or lacks a detector or a recogniser."""


@dataclass(frozen=True)
class FaceReading:
    """Faces found in one picture: how many; the largest one's unit embedding (D,) float32 and detection score.

    `look`: what that face looks like, aligned (`base_models.vision.appearance`). `side`: of its box, in pixels;
    `rivals`: how many other faces have at least half its area. `box` (4,): its corners x0, y0, x1, y1 in pixels, and
    `points` (5, 2): eyes, nose, corners of the mouth, those at the picture's left first; None without a face.
    """

    count: int
    embedding: np.ndarray | None
    detection_score: float
    look: np.ndarray | None = None
    side: float = 0.0
    rivals: int = 0
    box: np.ndarray | None = None
    points: np.ndarray | None = None


@dataclass(frozen=True)
class FoundFaces:
    """What a detector found in a picture: how many faces; the largest one's aligned crop (BGR), score and box.

    `side`, `rivals`, `box`, `points`: as `FaceReading` has them, `largest_of` the boxes.
    """

    count: int
    crop: np.ndarray | None = None
    score: float = 0.0
    side: float = 0.0
    rivals: int = 0
    box: np.ndarray | None = None
    points: np.ndarray | None = None


@dataclass(frozen=True)
class Largest:
    """Which of a picture's faces is the largest, its box's side in pixels, and how many others are nearly as large."""

    at: int
    side: float
    rivals: int


def largest_of(areas: np.ndarray) -> Largest:
    """Of the areas (N,) of a picture's faces, in square pixels; there is at least one."""
    at = int(areas.argmax())
    return Largest(at, float(areas[at]) ** 0.5, int((areas >= RIVAL * areas[at]).sum()) - 1)


class FaceModel(ABC):
    """A detector and a recogniser. `sha256` covers both ONNX files: scores of different ones are not comparable."""

    def __init__(self, name: str, sha256: str, licence: str) -> None:
        self.name, self.sha256, self.licence = name, sha256, licence

    def read(self, picture: np.ndarray) -> FaceReading:
        """The faces of a picture (H, W, 3) RGB uint8. Of several, the largest box is read, never the best match."""
        return self.read_all([picture])[0]

    def read_all(self, pictures: Sequence[np.ndarray]) -> list[FaceReading]:
        """`read` of each picture; their largest faces go through the recogniser together, where it takes several.

        How many go together may move the last bits of an embedding (below 1e-5), not what is found.
        """
        found = [self._find(np.ascontiguousarray(picture[:, :, ::-1])) for picture in pictures]
        vectors = self._embed([one.crop for one in found if one.crop is not None])
        return [
            FaceReading(0, None, 0.0)
            if one.crop is None
            else FaceReading(
                one.count,
                _unit(next(vectors)),
                one.score,
                appearance_of(one.crop[:, :, ::-1]),
                one.side,
                one.rivals,
                one.box,
                one.points,
            )
            for one in found
        ]

    @property
    @abstractmethod
    def input_side(self) -> int:
        """The side in pixels that the recogniser takes a face in at."""

    @abstractmethod
    def _find(self, bgr: np.ndarray) -> FoundFaces:
        """The faces of a picture (H, W, 3) BGR uint8."""

    @abstractmethod
    def _embed(self, crops: list[np.ndarray]) -> Iterator[np.ndarray]:
        """An embedding (D,) of each aligned crop, of any length."""


def _unit(embedding: np.ndarray) -> np.ndarray | None:
    """None for an embedding without a direction, which would be alike to nothing and to everything."""
    length = float(np.linalg.norm(embedding))
    return (embedding / length).astype(np.float32) if np.isfinite(length) and length > 0 else None
