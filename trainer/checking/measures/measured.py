"""What is measured of one picture: plain numbers, that can be kept and compared without the picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

NO_VECTOR = np.empty(0, dtype=np.float32)


@dataclass(frozen=True)
class FaceMeasured:
    """The largest face of a picture, and how many others there are. Box and points are in shares of the picture.

    `box`: x0, y0, x1, y1; `points` (5, 2): eyes, nose, corners of the mouth, of the picture's left first; empty where
    the pack tells none. `blur`: how wide its sharpest edges are, in pixels of the training size; `clipped`: its share
    without light or shade; `light`: its mean level of white.
    """

    count: int
    rivals: int
    score: float
    box: tuple[float, float, float, float]
    points: tuple[tuple[float, float], ...]
    embedding: np.ndarray
    look: np.ndarray
    blur: float | None
    clipped: float
    light: float


@dataclass(frozen=True)
class Measured:
    """`fault`: why it cannot be read, `is_odd_size`: for its size alone; then nothing else holds.

    Size is upright. `blur`, `noise` (levels of 255) are at the training size; `bright_end` and `contrast` are shares of
    white; `quality` is a JPEG's by its tables. `border` names the edges that have a frame. `busy`: how much of what is
    outside the person is edges; `backdrop`: its colours by place; `corners`: fine detail of each corner; `burnt`: the
    share of the middle that is white alone; `turn`: by how many degrees, against the clock, a picture without a face
    shows one.
    """

    sha256: str = ""
    fault: str = ""
    is_odd_size: bool = False
    size: tuple[int, int] = (0, 0)
    kind: str = ""
    is_turned: bool = False
    is_animated: bool = False
    transparent: float = 0.0
    beneath: str = ""
    is_grey: bool = False
    is_deep: bool = False
    quality: int | None = None
    blocks: float = 1.0
    blur: float | None = None
    noise: float = 0.0
    bright_end: float = 1.0
    contrast: float = 1.0
    border: str = ""
    busy: float = 0.0
    backdrop: np.ndarray = field(default_factory=lambda: NO_VECTOR)
    corners: np.ndarray = field(default_factory=lambda: NO_VECTOR)
    face: FaceMeasured | None = None
    faces_read: bool = False
    burnt: float = 0.0
    turn: int = 0


@dataclass(frozen=True)
class Pictured:
    """What is kept beside the numbers: `sketch` (H, W, 3) uint8 to tell copies by, and a small JPEG to be shown."""

    measured: Measured
    sketch: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 3), dtype=np.uint8))
    thumbnail: bytes = b""
