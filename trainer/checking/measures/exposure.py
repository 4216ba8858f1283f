"""How light is spread over a picture, and how much of a part is burnt out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BURNT = 0.985


class Exposure(NamedTuple):
    """`bright_end`: what the brightest twentieth reaches; `contrast`: of all but the darkest and brightest few."""

    bright_end: float
    contrast: float


def exposure_of(levels: np.ndarray) -> Exposure:
    """Of levels (H, W) in 0..1."""
    darkest, bright, brightest = np.percentile(levels, (0.3, 95, 99.7))
    return Exposure(float(bright), float(brightest - darkest))


def clipped_share(levels: np.ndarray) -> float:
    """The share of levels in 0..1 that are as light as can be, so that nothing is seen there."""
    return float((levels >= BURNT).mean()) if levels.size else 0.0


def burnt_share(levels: np.ndarray) -> float:
    """The share of the middle (half of each side) of levels (H, W) in 0..1 that is white alone."""
    height, width = levels.shape
    middle = levels[height // 4 : height - height // 4, width // 4 : width - width // 4]
    return float((middle >= BURNT).mean()) if middle.size else 0.0
