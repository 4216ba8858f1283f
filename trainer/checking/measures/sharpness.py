"""How wide edges are: 0.6 pixels where a step is a step, more where a picture is out of focus, shaken or blown up."""

from __future__ import annotations

import cv2
import numpy as np

AGAIN = 1.0  # pixels: the deviation of the blur that a picture is blurred by once more
STRONGEST = 0.01  # of the pixels: the steepest, which are its edges in focus
FEWEST = 24  # pixels, or there is no edge to speak of
FAINTEST = 0.02  # of white for one pixel: what is less steep than this is no edge
WIDEST = 12.0


def edge_width(levels: np.ndarray) -> float | None:
    """The width (a Gaussian's deviation, in pixels) of the sharpest edges of levels (H, W) in 0..1; None without any.

    A slope of width s becomes sqrt(s^2 + a^2) wide when it is blurred by a, so the two slopes' ratio tells s (Zhuo and
    Sim 2011, "Defocus map estimation from a single image", equation 5).
    """
    first = _slope(levels)
    again = _slope(cv2.GaussianBlur(levels, (0, 0), AGAIN))
    count = max(FEWEST, int(STRONGEST * first.size))
    if first.size <= count:
        return None
    at = np.argpartition(first.ravel(), -count)[-count:]
    steep, soft = first.ravel()[at], again.ravel()[at]
    if float(np.median(steep)) < FAINTEST:
        return None
    ratio = steep / np.maximum(soft, 1e-6)
    return float(min(WIDEST, AGAIN / np.sqrt(max(1e-4, float(np.median(ratio)) ** 2 - 1))))


def _slope(levels: np.ndarray) -> np.ndarray:
    """How steep each pixel is, the outermost left out."""
    across = cv2.Sobel(levels, cv2.CV_32F, 1, 0, ksize=3) / 8
    down = cv2.Sobel(levels, cv2.CV_32F, 0, 1, ksize=3) / 8
    return np.hypot(across, down)[2:-2, 2:-2]
