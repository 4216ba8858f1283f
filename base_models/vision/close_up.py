"""A picture's face, cut out with a little room around it: what a whole picture shows too small to be told."""

from __future__ import annotations

import numpy as np
from PIL import Image

MARGIN = 1.15  # of the box's longer side


def close_up(pixels: np.ndarray, box: np.ndarray, margin: float = MARGIN) -> np.ndarray:
    """The square (S, S, 3) around a box (4,) of a picture (H, W, 3) uint8, moved inwards where it sticks out."""
    height, width = pixels.shape[:2]
    side = max(1, min(height, width, round(float(max(box[2] - box[0], box[3] - box[1])) * margin)))
    left, top = (
        int(np.clip(round(float(low + high) / 2 - side / 2), 0, whole - side))
        for low, high, whole in ((box[0], box[2], width), (box[1], box[3], height))
    )
    return np.asarray(Image.fromarray(pixels).crop((left, top, left + side, top + side)))
