"""What a search expects to cost and to be able to tell, said before it renders."""

from __future__ import annotations

import math

from eval.search.cost_bound import CostBound, Demand
from eval.search.strategies.schedule import Round
from eval.statistics.intervals import Z_95, Z_POWER_80

# The SD of a paired difference of identities that SD 1.5 grids show; the miniature's is smaller.
ASSUMED_SD = 0.14
FORWARD = "A UNet forward is one evaluation of the UNet of one picture at one step, with its guidance pair."


def detectable_difference(units: int, sd: float = ASSUMED_SD) -> float:
    """The difference that so many pairs show at 95 % with 80 % power."""
    return (Z_95 + Z_POWER_80) * sd / math.sqrt(units)


def demand_in_words(demand: Demand, cost_bound: CostBound, seconds_a_forward: float | None) -> str:
    """The most that a search may render, its time where the speed is known, its rounds, and what it can tell apart."""
    time = f", about {duration_in_words(cost_bound.forwards * seconds_a_forward)}" if seconds_a_forward else ""
    counts, round_plan = cost_bound.both, demand.round_plan
    parts = [f"{counts.cells} of cells", f"{counts.bleed} of others", f"{counts.control} of the base model"]
    parts += [f"{counts.refinement} of weights between the grid's"] if counts.refinement else []
    there = f"; {counts.already_made} more are there already" if counts.already_made else ""
    return (
        f"{round_plan.arms} cells: at most {cost_bound.pictures} pictures, {cost_bound.forwards} UNet forwards{time} "
        f"({', '.join(parts)}{there}).\n{FORWARD}{_each(cost_bound)}\n"
        f"{_choosing(demand)}{_refining(demand)} Then {demand.confirmed_arms} finalists x up to "
        f"{round_plan.confirm_units} fresh pairs. Finalists {detectable_difference(round_plan.confirm_units):.3f} "
        f"apart will be told apart in 4 of 5 searches (at a paired SD of {ASSUMED_SD})."
    )


def _each(cost_bound: CostBound) -> str:
    """What a picture takes, of either kind."""
    prices, looks = cost_bound.prices, cost_bound.choosing.pictures
    if prices.choosing == prices.confirming:
        return f" A picture takes {prices.confirming}."
    return (
        f" {looks} of the pictures are looks of {prices.choosing} forwards in place of {prices.confirming}: cells are "
        "chosen by them, and none of them is scored."
    )


def _choosing(demand: Demand) -> str:
    round_plan = demand.round_plan
    if demand.race_units is not None:
        return (
            f"A race over up to {demand.race_units} (prompt, seed) pairs, a third to a half of that where cells "
            "differ; a cell goes when it is surely behind one that breaks no more limits."
        )
    rounds = ", ".join(f"{one.arms} cells x {_pairs(one)}" for one in round_plan.rounds)
    return f"Rounds: {rounds or 'none, so few cells are all finalists'}."


def _pairs(one: Round) -> str:
    if one.since:
        return f"{one.units - one.since} more"
    return f"{'1 of ' if one.dealt else ''}{one.units} (prompt, seed) pairs"


def _refining(demand: Demand) -> str:
    asked = demand.refinement
    if not asked.trials:
        return ""
    return f" Weights between the grid's: {asked.trials} cells x {asked.units} pairs around the best finalist."


def duration_in_words(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 90 else f"{max(1, minutes)} min"
