"""The race: an arm goes only when it is surely behind, so that the choice is certified against the eliminated too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.search.strategies.halving import Affordable, Broken, Measure, Stage, always, none_broken
from eval.search.strategies.paired_bound import Bound, bound


@dataclass(frozen=True)
class RaceResult:
    """`survivors` are the arms that may be the best, best first: with 95 % confidence the best of all is among them.

    `finish_order` are they and then those that went last. `unfinished`: the budget ended it.

    `bounds` (K,): with the same confidence each of `finish_order` is within that of the best of all arms that break no
    more limits than it does, eliminated ones included; `within` is the first one's.
    """

    survivors: np.ndarray
    finish_order: np.ndarray
    bounds: np.ndarray
    stages: tuple[Stage, ...]
    scores: np.ndarray
    unfinished: bool = False

    @property
    def within(self) -> float:
        return float(self.bounds[0])

    @property
    def pictures(self) -> int:
        return int(np.isfinite(self.scores).sum())


def interim_looks(first: int, last: int) -> tuple[int, ...]:
    """After how many units arms are judged: `first`, then twice as many each time, and `last`."""
    looks: list[int] = []
    while first < last:
        looks.append(first)
        first *= 2
    return (*looks, last)


def race(
    measure: Measure,
    arms: int,
    looks: Sequence[int],
    prompts: Sequence[str],
    broken: Broken = none_broken,
    affordable: Affordable = always,
) -> RaceResult:
    """Run until one arm is left, or all units are used, or the budget is.

    An arm sends another away only while it breaks no more limits. The null: an arm that is as good as all others is
    thrown out in at most 5 % of races, whatever the number of arms and of looks, for the intervals hold for all of them
    at once.
    """
    scores = np.full((arms, len(prompts)), np.nan)
    left, led = np.arange(arms), np.zeros(arms, dtype=bool)
    stages: list[Stage] = []
    places, unfinished = left, False
    judged: _Look | None = None
    for look in looks:
        wanted = np.zeros(scores.shape, dtype=bool)
        wanted[left, :look] = True
        wanted &= np.isnan(scores)
        if stages and not affordable(wanted):
            unfinished = True
            break
        scores = np.where(wanted, measure(wanted), scores)
        judged = _Look(scores[left, :look], prompts[:look], broken(left), arms - 1, len(looks))
        by = judged.eliminated_by()
        led[left[by[by >= 0]]] = True
        order = np.lexsort((-judged.values.mean(1), judged.faults))
        kept, places = order[by[order] < 0], np.concatenate([order[by[order] < 0], order[by[order] >= 0]])
        stages.append(Stage(left, left[kept], np.setdiff1d(left, left[kept]), look))
        left = left[kept]
        if len(left) == 1:
            break
    assert judged is not None  # the first look is always taken
    entered = stages[-1].arms
    bounds = np.array([judged.within(int(place), led[entered]) for place in places])
    return RaceResult(left, entered[places], bounds, tuple(stages), scores, unfinished)


@dataclass(frozen=True)
class _Look:
    """`values` (K, U) of the arms in the race, whose `faults` (K,) are the limits that each breaks."""

    values: np.ndarray
    prompts: Sequence[str]
    faults: np.ndarray
    comparisons: int
    looks: int

    def eliminated_by(self) -> np.ndarray:
        """Which arm (K,), by its place, sends each away; -1: it stays. The best of those that break no more does it."""
        found = np.full(len(self.values), -1)
        for faults in np.unique(self.faults):
            means = np.where(self.faults <= faults, self.values.mean(1), -np.inf)
            leader = int(means.argmax())
            found[(self.faults == faults) & self._bound(leader).beaten] = leader
        return found

    def within(self, place: int, led: np.ndarray) -> float:
        """How far the arm may be behind any that breaks no more limits. Those that `led` (K,) stand for whom they sent
        away, also if they were found to break more since."""
        counts = (self.faults <= self.faults[place]) | led
        return max(0.0, float(self._bound(place).most_ahead[counts].max()))

    def _bound(self, choice: int) -> Bound:
        return bound(self.values, self.prompts, self.comparisons, self.looks, choice)
