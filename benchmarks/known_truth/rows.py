"""How a recorded row is written: its roles beside the units' own, and a face and its look in few bytes."""

from __future__ import annotations

import numpy as np
import pandas as pd

CONTROL, REFERENCE, TRAINING = "control", "reference", "training"


def packed(vector: np.ndarray) -> bytes | None:
    """A unit vector (D,) in half precision, which moves a cosine by some 1e-4; None where there is none."""
    return vector.astype(np.float16).tobytes() if np.isfinite(vector).all() else None


def unpacked(vectors: pd.Series) -> np.ndarray:
    """(N, D) float32 of unit length, NaN where no face was found."""
    width = next(len(one) for one in vectors if one is not None) // 2
    empty = np.full(width, np.nan, dtype=np.float32)
    found = [empty if one is None else np.frombuffer(one, np.float16).astype(np.float32) for one in vectors]
    stacked = np.stack(found)
    return stacked / np.linalg.norm(stacked, axis=1, keepdims=True)
