"""Pictures that are the same to the eye though their bytes differ: resized, recompressed, brightened or mirrored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SMALL = 32
# Recompressed, resized, brightened or mirrored, a picture keeps 0.99 of itself; other pictures of the shipped subject
# in the same pose reach 0.92.
NEARLY_THE_SAME = 0.985


def small(path: Path) -> np.ndarray:
    """A picture at 32 x 32 (H, W, 3), without its mean and of length 1: brightness and contrast do not matter.

    Raises what PIL raises for a file that is no picture (`trainer.data.pictures.UNREADABLE`).
    """
    with Image.open(path) as opened:
        levels = np.asarray(opened.convert("RGB").resize((SMALL, SMALL), Image.Resampling.BOX), dtype=np.float64)
    centred = levels - levels.mean()
    length = np.linalg.norm(centred)
    return centred / length if length > 0 else centred


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """The correlation of two `small` pictures, or of one with the other's mirror image. A crop is not seen."""
    return float(max((one * other).sum(), (one[:, ::-1] * other).sum()))
