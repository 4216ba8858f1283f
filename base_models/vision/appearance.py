"""What a picture looks like beyond who is on it: its light and colours, coarsely. Pixels in, a unit vector out.

A face model is made to see past expression, gaze, pose, glasses and light, which are just what a copied picture shares
with the one that it copies. So pictures are told apart by a small picture: of the face, aligned as the recogniser
wants it, so that where it stands does not count; or of the whole, where the subject has no face.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

# Sides in pixels. Of 8 planted copies on the miniature, sides of 8 to 28 told as many from clean LoRAs.
SIDE = 14
SIZE = SIDE * SIDE * 3


def appearance_of(pixels: np.ndarray) -> np.ndarray | None:
    """Pixels (H, W, 3) RGB uint8 as a unit vector (588,) float32; None for a single flat colour.

    Averaged to 14 x 14, without the mean: the product of two is a correlation, which brightness and contrast leave.
    """
    small = np.asarray(
        Image.fromarray(np.ascontiguousarray(pixels)).resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64
    )
    centred = (small - small.mean()).ravel()
    length = np.linalg.norm(centred)
    return (centred / length).astype(np.float32) if length > 0 else None
