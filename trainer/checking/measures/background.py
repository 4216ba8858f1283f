"""What lies outside the person: how busy it is, and its colours by place."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 128  # pixels of the shorter side as it is looked at
STEEP = 0.035  # of white for one pixel, from which on there is an edge
CELLS = 12  # along each side
# A head with its hair, and shoulders, by the face's box.
HAIR_SIDE, HAIR_ABOVE, SHOULDERS = 0.35, 0.45, 1.3
RING = 0.15  # of the side, where there is no face

Box = tuple[float, float, float, float]


def outside_person(height: int, width: int, box: Box | None) -> np.ndarray:
    """(H, W) bool: outside the person of a face's box (in shares of the picture); without one, the outer ring."""
    outside = np.ones((height, width), dtype=bool)
    if box is None:
        top, left = int(RING * height), int(RING * width)
        outside[top : height - top, left : width - left] = False
        return outside
    x0, y0, x1, y1 = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    wide, high, middle = x1 - x0, y1 - y0, (x0 + x1) / 2
    head = slice(_at(x0 - HAIR_SIDE * wide, width), _at(x1 + HAIR_SIDE * wide, width))
    outside[_at(y0 - HAIR_ABOVE * high, height) : _at(y1, height), head] = False
    body = slice(_at(middle - SHOULDERS * wide, width), _at(middle + SHOULDERS * wide, width))
    outside[_at(y1 - 0.1 * high, height) :, body] = False
    return outside


def busyness(levels: np.ndarray, box: Box | None) -> float:
    """The share of what lies outside the person that is edges and texture, of levels (H, W) in 0..1; 0 of nothing."""
    scale = SIDE / min(levels.shape)
    small = cv2.resize(levels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else levels
    slope = np.hypot(cv2.Sobel(small, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(small, cv2.CV_32F, 0, 1) / 8)
    outside = outside_person(small.shape[0], small.shape[1], box)
    return float((slope[outside] > STEEP).mean()) if outside.sum() > 0.03 * outside.size else 0.0


def backdrop_of(pixels: np.ndarray, box: Box | None) -> np.ndarray:
    """(CELLS, CELLS, 3) float32 in 0..1: the colours of what lies outside the person, NaN where the person is."""
    small = cv2.resize(pixels, (CELLS, CELLS), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    outside = outside_person(CELLS, CELLS, box)
    return np.where(outside[..., None], small, np.nan).astype(np.float32)


def _at(place: float, most: int) -> int:
    return int(np.clip(round(place), 0, most))
