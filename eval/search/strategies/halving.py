"""Choosing among arms by what is measured of them. What measures is a function: a renderer, or a recorded grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eval.search.strategies.paired_bound import Bound, bound
from eval.search.strategies.schedule import Round, RoundPlan

# Units by which limits are judged in narrowing rounds: by fewer, a face lost once would count as often lost.
LEAST_JUDGED = 4
DEAL_SEED = 5  # the seed by which a dealt round deals its units, so that a search goes on where it stopped

# Which pictures are wanted, (A, U) bool, to their scores (A, U), higher is better; NaN where none is wanted.
Measure = Callable[[np.ndarray], np.ndarray]
# Scores (A, U) so far, NaN where an arm has not met a unit, and the arms still in it (K,), to an estimate of each (K,).
Estimate = Callable[[np.ndarray, np.ndarray], np.ndarray]
# The arms still in it (K,) to how many limits each breaks (K,), by what has been measured of it so far.
Broken = Callable[[np.ndarray], np.ndarray]
# The highest arms of a round (K,), best first, which of them break no more limits than others (K,), their scores
# (K, U), the units' prompts and the rounds, to those that stay.
Staying = Callable[[np.ndarray, np.ndarray, np.ndarray, Sequence[str], RoundPlan], np.ndarray]
# Whether the pictures that are wanted next, (A, U) bool, leave enough of the budget to confirm finalists.
Affordable = Callable[[np.ndarray], bool]


@dataclass(frozen=True)
class Stage:
    """A round as it went: `arms` (K,) went in, `kept` came out, best first; `beaten` would have been kept, but are
    surely behind or break more limits. `units` is how many each had met since unit `since`, or one of as many if
    `dealt`."""

    arms: np.ndarray
    kept: np.ndarray
    beaten: np.ndarray
    units: int
    dealt: bool = False
    since: int = 0


@dataclass(frozen=True)
class Halved:
    """`finalists` best first; `scores` (A, U) all that was measured, NaN where nothing was; `unfinished`: the budget
    ended it."""

    finalists: np.ndarray
    stages: tuple[Stage, ...]
    scores: np.ndarray
    unfinished: bool = False

    @property
    def pictures(self) -> int:
        return int(np.isfinite(self.scores).sum())


@dataclass(frozen=True)
class Confirmed:
    """Finalists on units that none of them was chosen on: `arms` (K,) in the order of `scores`' rows (K, N)."""

    arms: np.ndarray
    scores: np.ndarray
    bound: Bound

    @property
    def choice(self) -> int:
        return int(self.arms[self.bound.choice])


def mean_so_far(scores: np.ndarray, arms: np.ndarray) -> np.ndarray:
    """The mean over the units that all of these arms have met."""
    seen = scores[arms]
    return seen[:, np.isfinite(seen).all(0)].mean(1)


def none_broken(arms: np.ndarray) -> np.ndarray:
    """For arms of which nothing but a score is known."""
    return np.zeros(len(arms), dtype=int)


def always(_wanted: np.ndarray) -> bool:
    """Without a budget."""
    return True


def unless_surely_behind(
    first: np.ndarray, sound: np.ndarray, scores: np.ndarray, prompts: Sequence[str], round_plan: RoundPlan
) -> np.ndarray:
    """The arms that may still be the best, and the runner-up in any case: a winner is shown beside something.

    Those that break more limits than the `sound` ones stay only as such a runner-up.
    """
    if sound.sum() < 2:
        return first[:2]
    judged = bound(scores[sound], prompts, round_plan.arms - 1, len(round_plan.rounds))
    worse = judged.beaten
    worse[:2] = False
    return first[sound][~worse]


def all_sound(
    first: np.ndarray, sound: np.ndarray, scores: np.ndarray, prompts: Sequence[str], round_plan: RoundPlan
) -> np.ndarray:
    """All that break no more limits, and two in any case: who is behind in few steps may be ahead in all of them."""
    del scores, prompts, round_plan
    return first[:2] if sound.sum() < 2 else first[sound]


def halve(
    measure: Measure,
    round_plan: RoundPlan,
    prompts: Sequence[str],
    estimate: Estimate = mean_so_far,
    broken: Broken = none_broken,
    affordable: Affordable = always,
    staying: Staying = unless_surely_behind,
) -> Halved:
    """Play the rounds: fewest limits broken stay, then the highest estimates. `prompts` (U,) are the units' own.

    By `staying`, mostly, arms that are surely behind the leader go early; when no more than two are left, the rounds
    end. They also end, with the finalists of what is known, before a round (but the first) that is not `affordable`.
    """
    scores = np.full((round_plan.arms, len(prompts)), np.nan)
    left = np.arange(round_plan.arms)
    stages: list[Stage] = []
    for one in round_plan.rounds:
        wanted = _wanted(one, left, scores.shape) & np.isnan(scores)
        if stages and not affordable(wanted):
            return Halved(left[: round_plan.finalists], tuple(stages), scores, unfinished=True)
        scores = np.where(wanted, measure(wanted), scores)
        judged_by = int(np.isfinite(scores[left]).all(0).sum())
        faults = none_broken(left) if one.since and judged_by < LEAST_JUDGED else broken(left)
        order = np.lexsort((-estimate(scores, left), faults))
        first, sound = left[order[: one.kept]], faults[order[: one.kept]] == faults.min()
        seen = scores[first, : one.units]
        # Who is surely behind is told where all have met all: not where units were dealt, or went by before.
        paired = not one.dealt and not one.since
        kept = staying(first, sound, seen, prompts[: one.units], round_plan) if paired else first
        stages.append(Stage(left, kept, np.setdiff1d(first, kept), one.units, one.dealt, one.since))
        left = kept
        if len(left) <= 2:
            break
    return Halved(left, tuple(stages), scores)


def _wanted(one: Round, left: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The pictures (A, U) bool that a round shows: all its units, or one dealt to each arm, each unit as often."""
    wanted = np.zeros(shape, dtype=bool)
    if one.dealt:
        rng = np.random.default_rng(DEAL_SEED)
        hands = [rng.permutation(one.units) for _ in range(-(-len(left) // one.units))]
        wanted[left, np.concatenate(hands)[: len(left)]] = True
    else:
        wanted[left, one.since : one.units] = True
    return wanted


def confirm(measure: Measure, halved: Halved, units: np.ndarray, prompts: Sequence[str]) -> Confirmed:
    """Score the finalists on fresh `units` (N,) of those whose `prompts` (U,) are given; how far may the choice be off?

    Only these scores are free of the luck that helped the finalists to come so far.
    """
    place = np.ix_(halved.finalists, units)
    wanted = np.zeros(halved.scores.shape, dtype=bool)
    wanted[place] = True
    scores = measure(wanted)[place]
    judged = bound(scores, [prompts[int(unit)] for unit in units], len(halved.finalists) - 1)
    return Confirmed(halved.finalists, scores, judged)
