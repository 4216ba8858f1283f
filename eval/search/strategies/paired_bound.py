"""How sure differences between arms are, over units that all of them have met. Values are (arms, units) arrays.

What a unit makes easy or hard for all arms cancels out in pairs. Variance is that within prompts
(`eval.statistics.intervals`), pooled over arms:
with 8 units an arm's own is so unsure that one arm in fourteen would be thrown out by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from eval.statistics.intervals import strata, within_sd

ERROR_RATE = 0.05


@dataclass(frozen=True)
class Bound:
    """With 95 % confidence arm `choice` is within `within` of the best of those compared; `most_ahead` (arms,) is the
    most that each arm may be ahead of the choice, below 0 where it is surely behind it."""

    choice: int
    within: float
    most_ahead: np.ndarray

    @property
    def beaten(self) -> np.ndarray:
        """Which arms (arms,) are surely not as good as the choice."""
        return self.most_ahead < 0


def residual_sd(values: np.ndarray, prompts: Sequence[str]) -> tuple[float, int]:
    """The SD of what is left of (A, U) values when the means of arms and of units are gone, and its freedom.

    The difference of two arms has sqrt(2) times this SD. NaN and 0 where there is too little to tell.
    """
    groups = strata(prompts)
    squares = 0.0
    for group in groups:
        part = values[:, group]
        left = part - part.mean(1, keepdims=True)
        squares += float(((left - left.mean(0)) ** 2).sum())
    freedom = (len(values) - 1) * (values.shape[1] - len(groups))
    return (math.sqrt(squares / freedom), freedom) if freedom > 0 else (math.nan, 0)


def bound(
    values: np.ndarray, prompts: Sequence[str], comparisons: int, looks: int = 1, choice: int | None = None
) -> Bound:
    """How far `choice`, or else the arm of the highest mean, may be from the best one, with 95 % confidence.

    `comparisons` is how many arms are held against the best one, at each of `looks` looks: what holds for all of them
    at once, holds for whichever arm is chosen, and at whichever look (multiple comparisons with the best: Hsu 1996,
    "Multiple Comparisons", ch. 4; Bonferroni in place of Dunnett's table, which wants equal correlations). A pair's
    own variance counts where it is above the pooled one.
    """
    means = values.mean(1)
    choice = int(means.argmax()) if choice is None else choice
    pooled, freedom = residual_sd(values, prompts)
    own = within_sd(values - values[choice], prompts)
    spread = np.fmax(own, math.sqrt(2) * pooled) / math.sqrt(values.shape[1])
    reach = float(stdtrit(freedom, 1 - ERROR_RATE / (max(comparisons, 1) * looks))) if freedom else math.nan
    margin = reach * spread
    most_ahead = means - means[choice] + np.where(np.isnan(margin), math.inf, margin)
    most_ahead[choice] = 0.0
    return Bound(choice, max(0.0, float(most_ahead.max())), most_ahead)
