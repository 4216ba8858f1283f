"""How far a word makes a base model draw something of its own: 0 is what the class word draws, 1 one fixed person.

Pictures of both words are read as unit vectors (of faces, or of whole pictures). The squared distance between what two
words draw, over all pictures that could have been drawn, is E<t, t'> - 2 E<t, c> + E<c, c'> (maximum mean discrepancy
with a linear kernel, Gretton et al. 2012, eq. 3), estimated without bias from pairs of different seeds. It is told as a
share of that distance for a word that always draws one person as alike as the training pictures are. Arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

FEWEST_SEEDS = 4
# Of the way from the class word to one fixed person. On the miniature, names that the base was trained on lie at 0.8 to
# 1, new words mostly below 0.12 (docs/log.md).
KNOWN_FROM, FREE_UP_TO = 0.3, 0.25
CONFIDENCE = 0.975  # of each side: 95 %
Verdict = Literal["known", "free", "in part", "cannot tell"]


@dataclass(frozen=True)
class Pollution:
    """`share` with its 95 % interval over other seeds; how many of `seeds` pictures showed a face, with the word and
    with the class word alone."""

    share: float
    low: float
    high: float
    seeds: int
    seen: int
    seen_of_class: int

    @property
    def verdict(self) -> Verdict:
        """`known`: surely the model's own idea; `free`: surely hardly any; else in part, or more seeds would tell."""
        if self.low >= KNOWN_FROM:
            return "known"
        if self.high <= FREE_UP_TO:
            return "free"
        return "in part" if self.low > FREE_UP_TO or self.high < KNOWN_FROM else "cannot tell"


def pollution(word: np.ndarray, plain: np.ndarray, ceiling: float = 1.0) -> Pollution:
    """Of what a word and the class word draw with the same seeds: (S, D) each, NaN where a picture shows no face.

    `ceiling`: mean cosine between real pictures of one person. The interval is the jackknife's over seeds, with
    Student's t. Raises ValueError below four seeds.
    """
    count = len(word)
    if count < FEWEST_SEEDS:
        raise ValueError(f"{count} seeds tell nothing of other seeds; at least {FEWEST_SEEDS} are needed")
    share = _share(word, plain, ceiling)
    left_out = np.array([_share(np.delete(word, at, 0), np.delete(plain, at, 0), ceiling) for at in range(count)])
    values = count * share - (count - 1) * left_out
    half = float(stdtrit(count - 1, CONFIDENCE) * values.std(ddof=1) / count**0.5)
    clipped = [float(np.clip(one, 0, 1)) for one in (share, share - half, share + half)]
    return Pollution(clipped[0], clipped[1], clipped[2], count, _seen(word), _seen(plain))


def _share(word: np.ndarray, plain: np.ndarray, ceiling: float) -> float:
    """A picture that loses its face by the word shows something else altogether, and counts in full."""
    lost = max(0.0, (_seen(plain) - _seen(word)) / len(word))
    within, across, own = _between(word, word), _between(word, plain), _between(plain, plain)
    if np.isnan([within, across, own]).any():
        return lost
    furthest = max(ceiling, within) - 2 * across + own
    return lost + (1 - lost) * (within - 2 * across + own) / max(furthest, 1e-6)


def _between(ones: np.ndarray, others: np.ndarray) -> float:
    """The mean product over pairs of different seeds: those of one seed share their noise, and so more than a word."""
    if ones.shape[1] != others.shape[1]:  # of pictures that all lack a face not even the width is known
        return np.nan
    products = np.asarray(ones, dtype=np.float64) @ np.asarray(others, dtype=np.float64).T
    kept = np.isfinite(products) & ~np.eye(len(products), dtype=bool)
    return float(products[kept].mean()) if kept.any() else np.nan


def _seen(vectors: np.ndarray) -> int:
    return int(np.isfinite(vectors[:, 0]).sum())
