"""How alike faces are: one person as a direction, and what a picture without a face counts. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
import scipy

LEAST_COSINE = -1.0
NO_OTHERS = np.empty(0)


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., D) scaled to length 1; zero vectors become NaN."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, np.nan)


def centroid(references: np.ndarray) -> np.ndarray:
    """The subject as one unit vector (D,): the direction of the mean of unit embeddings (R, D)."""
    return unit_length(np.asarray(references, dtype=np.float64).mean(0))


def ceiling(references: np.ndarray) -> float:
    """Mean cosine of each reference (R, D) to the centroid of the others: as alike as the real pictures are."""
    if len(references) < 2:
        return np.nan
    vectors = np.asarray(references, dtype=np.float64)
    others = unit_length(vectors.sum(0) - vectors)
    return float((vectors * others).sum(-1).mean())


def stand_in(control: np.ndarray, others: np.ndarray) -> float:
    """The mean of what the base model's own pictures of the class show, `control` (U,); of none, of `others` (B,).

    Either are people whom it drew without knowing the subject. NaN where no picture has a face: where strangers lie
    hangs on the recogniser (at 0, at 0.8), so no other number could stand for them.
    """
    for cosines in (control, others):
        seen = cosines[np.isfinite(cosines)]
        if len(seen):
            return float(seen.mean())
    return np.nan


def floors(control: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The least (U,) that a picture counts: the base model's own on that unit.

    Where the base model's picture has no face either, what stands in for it. Where nothing does, the least cosine that
    there is: no floor is known then, and only below every face can a lost one raise no cell.
    """
    instead = stand_in(control, others)
    return np.where(np.isfinite(control), control, LEAST_COSINE if np.isnan(instead) else instead)


def at_the_floor(raw: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """`raw` (C, U), a missing value or one below its own unit's `floor` (U,) counting as that floor.

    Both show no more of the subject than the base model did. Only a rule that counts a missing face no higher than any
    face can promise that losing faces never raises a cell.
    """
    return np.fmax(raw, floor)


def mean_interval(values: np.ndarray) -> tuple[float, float] | None:
    """The mean of cosines (N,) on other pictures like these, 95 % (Student's t); None of one value."""
    if len(values) < 2:
        return None
    half = float(scipy.special.stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / len(values) ** 0.5)
    return max(-1.0, float(values.mean()) - half), min(1.0, float(values.mean()) + half)
