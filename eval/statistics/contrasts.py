"""Differences between groups of cells that differ in one thing alone, with intervals over the units they share."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from eval.statistics.intervals import Resampling, contains_zero, intervals, resampling
from eval.wording.figure_texts import with_interval
from eval.wording.subject_words import FACE, SubjectWords


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval (NaN where unknown)."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval lies on that side of 0, else 0: nothing is sure."""
        return 0 if bool(contains_zero(np.array([self.low, self.high]))) else 1 if self.value > 0 else -1

    def __str__(self) -> str:
        return with_interval(self.value, self.low, self.high, "+.3f")


@dataclass(frozen=True)
class PictureScores:
    """A figure of every picture: `values` (C, U), NaN where a picture has none, and the prompts (U,) of its units.

    `limit`: the value from which on it is too much (NaN: none is known). `words`: what the kind of subject is called.
    `seen`: the values without what stands in for lost pictures, where something does.
    """

    name: str
    values: np.ndarray
    prompts: list[str]
    limit: float = np.nan
    words: SubjectWords = FACE
    seen: np.ndarray | None = None

    @cached_property
    def of_seen(self) -> PictureScores:
        """The same by what is seen alone, which is the figure itself where nothing stands in for a lost picture."""
        return self if self.seen is None else replace(self, values=self.seen, seen=None)

    @cached_property
    def known(self) -> np.ndarray:
        """Which cells (C,) have it in any picture."""
        return np.isfinite(self.values).sum(1) > 0

    @cached_property
    def filled(self) -> np.ndarray:
        """`values` with each cell's own mean where a picture has none, which moves no mean; 0 for unknown cells."""
        seen = np.isfinite(self.values)
        means = np.where(seen, self.values, 0.0).sum(1) / np.maximum(seen.sum(1), 1)
        return np.where(seen, self.values, means[:, None])

    @cached_property
    def means(self) -> np.ndarray:
        """(C,), NaN for unknown cells."""
        return np.where(self.known, self.filled.mean(1) if self.prompts else np.nan, np.nan)

    @cached_property
    def _resampled(self) -> Resampling:
        return resampling(self.prompts)

    def estimate(self, weights: np.ndarray, comparisons: int = 1) -> Estimate:
        """The sum of the cells' figures, each times its weight (C,). `comparisons` such intervals hold at once."""
        if not self.prompts or not weights.any():
            return Estimate(np.nan, np.nan, np.nan)
        value = (weights @ self.filled)[None]
        low, high = intervals(value, self._resampled, comparisons)[0]
        return Estimate(float(value.mean()), float(low), float(high))


def mean_of(group: np.ndarray) -> np.ndarray:
    """Weights (C,) of the mean over the cells of `group` (C,) bool."""
    return group / max(1, group.sum())


def difference(blocks: Sequence[Hashable], upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Weights (C,) of mean(upper) - mean(lower) within cells of the same block, averaged over blocks that have both.

    A block is all that is held fixed: cells are compared with those that differ in nothing else.
    """
    weights = np.zeros(len(blocks))
    found = [at for at in _places(blocks) if upper[at].any() and lower[at].any()]
    for at in found:
        weights[at] += (mean_of(upper[at]) - mean_of(lower[at])) / len(found)
    return weights


def slope(blocks: Sequence[Hashable], levels: np.ndarray) -> np.ndarray:
    """Weights (C,) of the least-squares slope over `levels` (C,), each block with an intercept of its own."""
    centred = np.zeros(len(blocks))
    for at in _places(blocks):
        known = at[np.isfinite(levels[at])]
        if len(known):
            # From one of them, so that equal levels differ by 0 and not by what their mean is rounded to.
            apart = levels[known] - levels[known[0]]
            centred[known] = apart - apart.mean()
    square = (centred**2).sum()
    return centred / square if square > 0 else centred


def _places(blocks: Sequence[Hashable]) -> list[np.ndarray]:
    found: dict[Hashable, list[int]] = {}
    for at, block in enumerate(blocks):
        found.setdefault(block, []).append(at)
    return [np.array(at) for at in found.values()]
