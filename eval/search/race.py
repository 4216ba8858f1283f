"""The race: an arm goes only when it is surely behind, so that the choice is certified against the eliminated too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.search.halving import Measure, Stage
from eval.search.paired import Bound, bound


@dataclass(frozen=True)
class Raced:
    """`left` are the arms that may be the best, best first: with 95 % confidence the best of all is among them. `ahead`
    goes on with those that went last.

    `within`: with the same confidence the first of them is within that of the best of all arms, eliminated ones
    included.
    """

    left: np.ndarray
    ahead: np.ndarray
    within: float
    stages: tuple[Stage, ...]
    scores: np.ndarray

    @property
    def pictures(self) -> int:
        return int(np.isfinite(self.scores).sum())


def looks_at(first: int, last: int) -> tuple[int, ...]:
    """After how many units arms are judged: `first`, then twice as many each time, and `last`."""
    looks: list[int] = []
    while first < last:
        looks.append(first)
        first *= 2
    return (*looks, last)


def race(measure: Measure, arms: int, looks: Sequence[int], prompts: Sequence[str], close: float = 0.0) -> Raced:
    """Run until one arm is left, the first is within `close` of the best, or all units are used.

    The null: an arm that is as good as all others is thrown out in at most 5 % of races, whatever the number of arms
    and of looks, for the intervals hold for all of them at once.
    """
    scores = np.full((arms, len(prompts)), np.nan)
    left = np.arange(arms)
    stages: list[Stage] = []
    ahead = left
    judged = Bound(0, float("inf"), np.zeros(arms))
    for look in looks:
        wanted = np.zeros(scores.shape, dtype=bool)
        wanted[left, :look] = True
        wanted &= np.isnan(scores)
        scores = np.where(wanted, measure(wanted), scores)
        judged = bound(scores[left, :look], prompts[:look], arms - 1, len(looks))
        order = np.argsort(-scores[left, :look].mean(1), kind="stable")
        kept, gone = left[order[~judged.beaten[order]]], left[order[judged.beaten[order]]]
        stages.append(Stage(left, kept, np.setdiff1d(left, kept), look))
        left, ahead = kept, np.concatenate([kept, gone])
        if len(left) == 1 or judged.within <= close:
            break
    return Raced(left, ahead, judged.within, tuple(stages), scores)
