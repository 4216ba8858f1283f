"""What a search would have done on a grid that is known in full: choose on half of its seeds, judge on the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from eval.ranking.limits import Limits
from eval.search.strategies.enough_pairs import enough_pairs
from eval.search.strategies.halving import (
    Confirmed,
    Estimate,
    Halved,
    all_sound,
    confirm,
    halve,
    mean_so_far,
    unless_surely_behind,
)
from eval.search.strategies.race import interim_looks, race
from eval.search.strategies.schedule import RoundPlan, Schedule, first_fresh_unit, round_plan_of
from recorded_grids.recorded_grid import RecordedGrid

FORWARDS = 20  # of a finished picture's: recorded grids have 20 steps of Euler a

# Scores (A, U) of the seeds to choose on, and their prompts, to the chosen arm.
Choose = Callable[[np.ndarray, list[str]], int]


@dataclass(frozen=True)
class Shuffle:
    """A recorded grid with its seeds dealt in two: `seen` (A, U) to choose on, in the order that a search draws units,
    `held_out` (A, U') to judge by; `prompts` (U,) are those of the seen units. `looks` (A, U): what cells are chosen
    by, NaN on units that are for confirming alone; None: the finished pictures. `forwards`: of either picture.
    """

    seen: np.ndarray
    held_out: np.ndarray
    prompts: list[str]
    looks: np.ndarray | None = None
    forwards: tuple[int, int] = (FORWARDS, FORWARDS)

    def judged(self) -> np.ndarray:
        return self.held_out.mean(1)

    def measure(self, wanted: np.ndarray) -> np.ndarray:
        return np.where(wanted, self.seen, np.nan)

    def choose_by(self, wanted: np.ndarray) -> np.ndarray:
        """What cells are chosen by."""
        return np.where(wanted, self.seen if self.looks is None else self.looks, np.nan)


@dataclass(frozen=True)
class Replay:
    """One search on one shuffle. `loss`: how much better the full grid's own choice is on the held-out pictures;
    `covered`: whether the stated bound held there. `score_seen` is what was said of the choice. `forwards`: of the
    UNet, those of the base model's own pictures, one a unit, included."""

    choice: int
    pictures: int
    forwards: int
    loss: float
    within: float
    covered: bool
    score_seen: float
    score_held_out: float


def shuffled(grid: RecordedGrid, rng: np.random.Generator, steps: int = 0) -> Shuffle:
    """Deal the seeds in two halves; units come a seed at a time, its prompts in an order of chance.

    `steps`: cells are chosen by looks of so many, a forward each. The seeds on which they were recorded come first.
    """
    count, half = len(grid.seeds), len(grid.seeds) // 2
    looked = grid.looks[steps].shape[2] if steps else 0
    order = np.concatenate([rng.permutation(looked), looked + rng.permutation(count - looked)])
    held_out = grid.scores[:, :, order[half:]].reshape(len(grid.arms), -1)
    return _drawn(grid, np.tile(order[:half], (len(grid.prompts), 1)), held_out, rng, steps)


def redrawn(grid: RecordedGrid, rng: np.random.Generator, steps: int = 0) -> Shuffle:
    """A search of a world whose truth is known: it can draw no other pictures than the recorded ones, any of them again
    and again, half as many as there are; the held-out scores are all of them, so their mean is what it estimates.
    """
    prompts, half = len(grid.prompts), len(grid.seeds) // 2
    looked = grid.looks[steps].shape[2] if steps else 0
    seeds = np.hstack(
        [
            rng.integers(looked or 1, size=(prompts, looked)),
            rng.integers(len(grid.seeds), size=(prompts, half - looked)),
        ]
    )
    return _drawn(grid, seeds, grid.scores.reshape(len(grid.arms), -1), rng, steps)


def _drawn(
    grid: RecordedGrid, seeds: np.ndarray, held_out: np.ndarray, rng: np.random.Generator, steps: int
) -> Shuffle:
    """`seeds` (P, N): which seed each prompt has at each turn."""
    turn = rng.permutation(len(grid.prompts))

    def by_unit(scores: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        found = np.take_along_axis(scores, chosen[None], axis=2)[:, turn]
        return found.transpose(0, 2, 1).reshape(len(grid.arms), -1)

    prompts = [grid.prompts[at] for at in turn] * seeds.shape[1]
    seen = by_unit(grid.scores, seeds)
    if not steps:
        return Shuffle(seen, held_out, prompts)
    taken = grid.looks[steps]
    looks = np.full(seen.shape, np.nan)
    looks[:, : len(turn) * taken.shape[2]] = by_unit(taken, seeds[:, : taken.shape[2]])
    return Shuffle(seen, held_out, prompts, looks, (steps, FORWARDS))


def round_plan_for(grid: RecordedGrid, schedule: Schedule) -> RoundPlan:
    """The schedule, with no more units to confirm on than half of the grid's seeds leave."""
    arms, prompts, seeds = grid.scores.shape
    round_plan = round_plan_of(arms, schedule)
    left = prompts * (seeds // 2) - first_fresh_unit(round_plan.search_units, prompts)
    return replace(round_plan, confirm_units=min(round_plan.confirm_units, left))


def search_once(shuffle: Shuffle, round_plan: RoundPlan, estimate: Estimate = mean_so_far) -> tuple[Halved, Confirmed]:
    """The whole search, on what is seen of a shuffle."""
    staying = unless_surely_behind if shuffle.looks is None else all_sound
    halved = halve(shuffle.choose_by, round_plan, shuffle.prompts, estimate, staying=staying)
    start = first_fresh_unit(round_plan.search_units, len(set(shuffle.prompts)))
    fresh = np.arange(start, start + round_plan.confirm_units)
    shape, prompts = halved.scores.shape, shuffle.prompts
    units = enough_pairs(shuffle.measure, shape, halved.finalists, fresh, prompts, Limits().difference)
    return halved, confirm(shuffle.measure, halved, units, prompts)


def replay(shuffle: Shuffle, round_plan: RoundPlan, estimate: Estimate = mean_so_far) -> Replay:
    """Search, and judge what was said by what was held out."""
    halved, confirmed = search_once(shuffle, round_plan, estimate)
    judged = shuffle.judged()
    finalists, choice, within = confirmed.arms, confirmed.choice, confirmed.bound.within
    by_one, finished = shuffle.forwards
    met = int(np.isfinite(halved.scores).any(0).sum())
    return Replay(
        choice,
        halved.pictures + confirmed.scores.size,
        (halved.pictures + met) * by_one + (confirmed.scores.size + confirmed.scores.shape[1]) * finished,
        float(judged[shuffle.seen.mean(1).argmax()] - judged[choice]),
        within,
        bool(judged[finalists].max() - judged[choice] <= within),
        float(confirmed.scores[confirmed.bound.choice].mean()),
        float(judged[choice]),
    )


def random_arms(pictures: int, rng: np.random.Generator) -> Choose:
    """Random search at the same cost: as many arms, drawn by chance, as can be shown every unit."""

    def choose(seen: np.ndarray, _prompts: list[str]) -> int:
        arms = rng.choice(len(seen), size=max(1, pictures // seen.shape[1]), replace=False)
        return int(arms[seen[arms].mean(1).argmax()])

    return choose


def one_seed(seen: np.ndarray, prompts: list[str]) -> int:
    """What a picture grid by eye does: every arm, every prompt, one seed, the best-looking one wins."""
    return int(seen[:, : len(set(prompts))].mean(1).argmax())


def loss_of(shuffle: Shuffle, choose: Choose) -> float:
    """How much better the full grid's own choice is than this one, on the held-out seeds."""
    judged = shuffle.judged()
    return float(judged[shuffle.seen.mean(1).argmax()] - judged[choose(shuffle.seen, shuffle.prompts)])


def permuted(shuffle: Shuffle, rng: np.random.Generator) -> Shuffle:
    """The null: within each unit the arms' scores change places, so that no arm is better than another."""
    other = None if shuffle.looks is None else rng.permuted(shuffle.looks, axis=0)
    return replace(
        shuffle,
        seen=rng.permuted(shuffle.seen, axis=0),
        held_out=rng.permuted(shuffle.held_out, axis=0),
        looks=other,
    )


def said_worse(shuffle: Shuffle, round_plan: RoundPlan, arm: int, estimate: Estimate = mean_so_far) -> bool:
    """Whether the search says that `arm` is surely behind, in a round or at the end. Not to be kept says nothing."""
    halved, confirmed = search_once(shuffle, round_plan, estimate)
    in_rounds = any(arm in stage.beaten for stage in halved.stages)
    return in_rounds or arm in confirmed.arms[confirmed.bound.beaten]


def raced_out(shuffle: Shuffle, arm: int, first_units: int) -> bool:
    """Whether the race throws `arm` out."""
    arms, units = shuffle.seen.shape
    return arm not in race(shuffle.measure, arms, interim_looks(first_units, units), shuffle.prompts).survivors
