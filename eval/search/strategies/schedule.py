"""How many arms meet how many units, round by round: a value that is known before anything is rendered.

An *arm* is a cell that may win. Units count from 0 in the order in which they are drawn; every arm of a round has seen
all units of the rounds before it, so arms are always compared over the same units.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count as count_from
from itertools import product

from foundation.errors import UserError

LEAST_CONFIRMED = 8
# That meet each unit of a glance: with fewer, what is the arm's and what the unit's is not told apart.
ARMS_A_UNIT = 4
UNITS_MORE = 3  # that a narrowing round shows: pictures of one cell are drawn together
# Shares of the arms that the first and the last of narrowing rounds show. Of fewer arms than that they show too few:
# on recorded grids of 48 and 64 they lose more than they save, on those of 128 they save a fifth and lose nothing.
WIDEST, NARROWEST = 1 / 4, 1 / 16
MANY = 96


class BudgetError(UserError):
    """A budget too small for any search of these arms."""


@dataclass(frozen=True)
class Schedule:
    """Sequential halving: all arms meet `first_units`, one in `keep` stays, units double, until `finalists` are left.

    Each finalist is then scored on `confirm_units` fresh units. (Karnin, Koren & Somekh 2013, "Almost optimal
    exploration in multi-armed bandits", with a third in place of a half.) With a `glance`, every arm meets a single
    unit before that, one of so many, dealt out among the arms, and one arm in `glance_keep` goes on to the rounds:
    what neighbours saw on other units then speaks for an arm (`eval.search.strategies.surface`). Few arms do without.
    With `narrowing`, of many arms, the glance deals half as many units, and so many rounds then show three units more
    each, to a quarter of the arms at first and a sixteenth at last, which do not meet the units that went by.
    """

    first_units: int = 4
    keep: int = 3
    finalists: int = 4
    confirm_units: int = 64
    glance: int = 0
    glance_keep: int = 2
    narrowing: int = 0


@dataclass(frozen=True)
class Round:
    """`arms` arms meet all units from `since` to before `units`, and `kept` stay. A `dealt` round shows each arm only
    one of these units. `pictures` counts those that no round before has made."""

    arms: int
    units: int
    kept: int
    pictures: int
    dealt: bool = False
    since: int = 0


@dataclass(frozen=True)
class RoundPlan:
    """All that a search is going to render: its rounds, then `confirm_units` fresh units for each of `finalists`."""

    arms: int
    rounds: tuple[Round, ...]
    finalists: int
    confirm_units: int

    @property
    def pictures(self) -> int:
        """Pictures of arms, at most; the base model's own, one a unit, come on top."""
        return sum(one.pictures for one in self.rounds) + self.finalists * self.confirm_units

    @property
    def search_units(self) -> int:
        """The units on which arms are chosen."""
        return max((one.units for one in self.rounds), default=0)


def first_fresh_unit(search_units: int, prompts: int) -> int:
    """The first unit to confirm on: that of the first seed on which nothing was chosen, with so many prompts."""
    return -(-search_units // prompts) * prompts


# A plan of rounds to what it takes, mostly in UNet forwards.
Cost = Callable[[RoundPlan], int]


def round_plan_of(arms: int, schedule: Schedule) -> RoundPlan:
    """The rounds for so many arms. The last round keeps the finalists, however many went into it."""
    finalists = min(schedule.finalists, arms)
    rounds: list[Round] = []
    left = arms
    if schedule.glance and arms >= max(ARMS_A_UNIT * schedule.glance, schedule.glance_keep * finalists + 1):
        if schedule.narrowing and arms >= MANY:
            return RoundPlan(arms, _narrowing(arms, finalists, schedule), finalists, schedule.confirm_units)
        left = math.ceil(arms / schedule.glance_keep)
        rounds.append(Round(arms, schedule.glance, left, arms, dealt=True))
    count = max(1, round(math.log(left / finalists, schedule.keep))) if left > finalists else 0
    met, units = 0, schedule.first_units
    for number in range(count):
        kept = finalists if number == count - 1 else max(finalists, math.ceil(left / schedule.keep))
        rounds.append(Round(left, units, kept, left * (units - met)))
        met, units, left = units, 2 * units, kept
    return RoundPlan(arms, tuple(rounds), finalists, schedule.confirm_units)


def _narrowing(arms: int, finalists: int, schedule: Schedule) -> tuple[Round, ...]:
    """A glance, then rounds of a few units each, of fewer arms each time but never fewer than would leave a choice."""
    glance, count = max(1, schedule.glance // 2), schedule.narrowing
    shares = [WIDEST - (WIDEST - NARROWEST) * at / max(1, count - 1) for at in range(count)]
    sizes = [min(arms, max(finalists + 1, math.ceil(arms * share))) for share in shares]
    rounds = [Round(arms, glance, sizes[0], arms, dealt=True)]
    for since, size, kept in zip(count_from(glance, UNITS_MORE), sizes, [*sizes[1:], finalists], strict=False):
        rounds.append(Round(size, since + UNITS_MORE, kept, size * UNITS_MORE, since=since))
    return tuple(rounds)


def pictures_of_arms(round_plan: RoundPlan) -> int:
    """The cost where nothing but the arms' pictures counts."""
    return round_plan.pictures


def within_budget(arms: int, schedule: Schedule, budget: int, cost: Cost = pictures_of_arms) -> Schedule:
    """The schedule nearest to `schedule` that costs at most `budget`: fewer units to confirm on, then to begin with,
    then a harder cut. Raises BudgetError where none does.
    """
    least = min(LEAST_CONFIRMED, schedule.confirm_units)
    cheapest: list[int] = []
    for keep, first in product((schedule.keep, 2 * schedule.keep), range(schedule.first_units, 0, -1)):
        narrowing = math.ceil(schedule.narrowing * first / schedule.first_units)
        tried = replace(schedule, first_units=first, keep=keep, narrowing=narrowing)
        cheapest.append(cost(round_plan_of(arms, replace(tried, confirm_units=least))))
        if cheapest[-1] <= budget:
            fitting = (
                replace(tried, confirm_units=units)
                for units in range(schedule.confirm_units, least - 1, -1)
                if cost(round_plan_of(arms, replace(tried, confirm_units=units))) <= budget
            )
            return next(fitting)
    raise BudgetError(
        f"a budget of {budget} UNet forwards is too small for {arms} cells: the cheapest search takes {min(cheapest)}; "
        "raise it, or name fewer checkpoints or weights"
    )
