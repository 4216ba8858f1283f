"""The noise of a picture, where nothing else is: in its quietest parts."""

from __future__ import annotations

import cv2
import numpy as np

# What a plane and a straight slope leave nothing of.
MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
BLOCK = 16  # pixels of the side of a part
QUIET = 20  # of a hundred parts


def noise_of(levels: np.ndarray) -> float:
    """The deviation of the noise, in levels of 255, of levels (H, W) in 0..1.

    Immerkaer 1996, "Fast noise variance estimation". Of its quietest parts, so that texture does not count; those that
    are all black or white hide what they have.
    """
    height, width = (side // BLOCK * BLOCK for side in levels.shape)
    if not height or not width:
        return 0.0
    left = np.abs(cv2.filter2D(levels, cv2.CV_32F, MASK))[:height, :width]
    parts = _parts(left)
    hidden = _parts(((levels < 0.02) | (levels > 0.98)).astype(np.float32)[:height, :width]) > 0.5
    seen = parts[~hidden]
    if not len(seen):
        return 0.0
    return float(np.percentile(seen, QUIET) * np.sqrt(np.pi / 2) / 6 * 255)


def _parts(values: np.ndarray) -> np.ndarray:
    height, width = values.shape
    return values.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).mean((1, 3)).ravel()
