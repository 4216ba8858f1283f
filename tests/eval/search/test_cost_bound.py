"""What a search takes at most, counted on paper: a small round_plan, unit by unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.search.cost_bound import (
    CostBound,
    Counts,
    Demand,
    MissingCounts,
    Prices,
    Refinement,
    confirmation_cost,
    cost_bound_of,
)
from eval.search.strategies.schedule import Round, RoundPlan, Schedule, round_plan_of

# Twelve cells meet units 0 and 1, four of them 2 and 3 as well, and two are confirmed on eight fresh ones. Three
# prompts show the subject, so the first seed that no round has touched begins with unit 6.
COURSE = RoundPlan(12, (Round(12, 2, 4, 24), Round(4, 4, 2, 8)), 2, 8)
PLAIN = Demand(COURSE, None, Refinement(), subject_prompts=3, bleed_prompts=2)
REFINED = replace(PLAIN, refinement=Refinement(5, 7))
RACED = replace(PLAIN, race_units=8)


def _empty(demand: Demand) -> MissingCounts:
    """A store without a picture."""
    return MissingCounts(np.full(demand.units, demand.round_plan.arms), np.ones(demand.units, dtype=bool))


def _some() -> MissingCounts:
    """Some pictures are there: of unit 0 seven cells' and the base model's, of unit 2 nine, of unit 6 eleven."""
    arms = np.array([5, 12, 3, 12, 0, 0, 1, 12, 12, 12, 12, 12, 12, 12])
    return MissingCounts(arms, np.array([False] + [True] * 13))


def test_what_a_demand_comes_to() -> None:
    assert (PLAIN.search_units, PLAIN.first_fresh, PLAIN.units) == (4, 6, 14)
    assert (PLAIN.confirmed_arms, PLAIN.arms_shown_bleed, PLAIN.confirmed_bleed) == (2, 4, 2 * 3)
    assert (REFINED.search_units, REFINED.first_fresh, REFINED.units) == (7, 9, 17)
    assert (REFINED.confirmed_arms, REFINED.arms_shown_bleed) == (4, 4)
    assert (RACED.search_units, RACED.first_fresh, RACED.arms_shown_bleed) == (8, 9, 12)
    assert replace(RACED, refinement=Refinement(5, 10)).search_units == 10
    assert replace(PLAIN, refinement=Refinement(0, 10)).search_units == 4
    assert replace(PLAIN, round_plan=replace(COURSE, confirm_units=20)).confirmed_bleed == 2 * 4
    assert replace(PLAIN, subject_prompts=4).first_fresh == 4


def test_few_arms_meet_no_round_and_bleed_prompts_before_a_refinement_alone() -> None:
    none = replace(PLAIN, round_plan=replace(COURSE, rounds=()))
    assert (none.search_units, none.first_fresh, none.arms_shown_bleed) == (0, 0, 0)
    assert replace(none, refinement=Refinement(5, 3)).arms_shown_bleed == 2
    cost_bound = cost_bound_of(none, _empty(none))
    assert cost_bound == CostBound(Counts(0, 0, 0), Counts(cells=2 * 8, bleed=2 * 6, control=8 + 6))


def test_a_bill_with_nothing_there() -> None:
    cost_bound = cost_bound_of(PLAIN, _empty(PLAIN))
    # Bleed prompts: two seeds of two of them for the four of the last cut, then three seeds for each of two finalists.
    choosing = Counts(cells=2 * 12 + 2 * 4, bleed=4 * 2 * 2, control=4 + 2 * 2)
    confirming = Counts(cells=8 * 2, bleed=2 * 6, control=8 + 6)
    assert cost_bound == CostBound(choosing, confirming)
    assert cost_bound.pictures == cost_bound.forwards == 48 + 28 + 22
    priced = cost_bound_of(replace(PLAIN, prices=Prices(6, 20)), _empty(PLAIN))
    assert priced.pictures == 48 + 28 + 22
    assert priced.forwards == 6 * (32 + 16 + 8) + 20 * (16 + 12 + 14)


def test_what_is_there_is_not_paid_for() -> None:
    cost_bound = cost_bound_of(PLAIN, _some())
    assert cost_bound.choosing.cells == 5 + 12 + 3 + 4
    assert cost_bound.confirming.cells == 1 + 7 * 2
    assert cost_bound.both.control == 11 + 2 * 2 + 6
    assert cost_bound.both.already_made == 7 + 1 + 1 + 1
    assert cost_bound.pictures + cost_bound.both.already_made == cost_bound_of(PLAIN, _empty(PLAIN)).pictures


def test_a_refinement_tries_cells_on_units_that_the_finalists_have_met_too() -> None:
    cost_bound = cost_bound_of(REFINED, _empty(REFINED))
    counts = cost_bound.both
    assert counts.cells == 2 * 12 + 2 * 4 + 3 * 2 + 8 * 2
    assert (cost_bound.choosing.refinement, cost_bound.confirming.refinement) == (5 * (7 + 2 * 2), 2 * (8 + 6))
    assert counts.bleed == 4 * 2 * 2 + 2 * 6
    assert cost_bound.pictures == counts.cells + counts.bleed + counts.control + counts.refinement
    short = replace(PLAIN, refinement=Refinement(5, 2))
    assert cost_bound_of(short, _empty(short)).both.bleed == 12 * 2 * 2 + 2 * 6, (
        "all that met as many units are looked at"
    )
    longer = replace(PLAIN, refinement=Refinement(5, 3))
    assert cost_bound_of(longer, _empty(longer)).both.bleed == 4 * 2 * 2 + 2 * 6


def test_a_race_may_show_every_arm_all_its_units_and_every_bleed_prompt() -> None:
    cost_bound = cost_bound_of(RACED, _empty(RACED))
    assert cost_bound.both.cells == 8 * 12 + 8 * 2
    assert cost_bound.both.bleed == 12 * 2 * 2 + 2 * 6
    refined = replace(RACED, refinement=Refinement(5, 2))
    assert cost_bound_of(refined, _empty(refined)).both.bleed == 12 * 2 * 2 + 2 * 6
    wider = replace(RACED, refinement=Refinement(5, 9))
    assert cost_bound_of(wider, _empty(wider)).both.cells == 8 * 12 + 1 * 2 + 8 * 2


@pytest.mark.parametrize(("arms", "each"), [(24, 4), (25, 5)])
def test_a_glance_deals_its_units_out(arms: int, each: int) -> None:
    round_plan = RoundPlan(arms, (Round(arms, 6, 12, arms, dealt=True), Round(12, 4, 2, 48)), 2, 8)
    demand = replace(PLAIN, round_plan=round_plan)
    assert cost_bound_of(demand, _empty(demand)).both.cells == 6 * each + 4 * 12 + 8 * 2
    looked = replace(demand, refinement=Refinement(5, 5))
    assert cost_bound_of(looked, _empty(looked)).both.bleed == 12 * 2 * 2 + 2 * 6, (
        "a glance shows nobody a bleed prompt"
    )


def test_narrowing_shows_each_unit_to_those_that_are_left() -> None:
    rounds = (Round(24, 6, 8, 24, dealt=True), Round(8, 9, 4, 24, since=6), Round(4, 12, 2, 12, since=9))
    demand = replace(PLAIN, round_plan=RoundPlan(24, rounds, 2, 8))
    assert demand.search_units == 12
    assert cost_bound_of(demand, _empty(demand)).both.cells == 6 * 4 + 3 * 8 + 3 * 4 + 8 * 2
    looked = replace(demand, refinement=Refinement(5, 8))
    # Finalists meet those of the first eight units that they were not dealt.
    assert cost_bound_of(looked, _empty(looked)).choosing.cells == 6 * (4 + 2) + 3 * 8 + 3 * 4
    assert cost_bound_of(looked, _empty(looked)).choosing.bleed == 4 * 2 * 2, "nobody met all of the first units"


def test_confirming_is_kept_back_whoever_the_finalists_are() -> None:
    assert confirmation_cost(PLAIN, _empty(PLAIN)) == 8 * 2 + 8 + (2 + 1) * 6
    assert confirmation_cost(PLAIN, _some()) == (1 + 7 * 2) + 8 + (2 + 1) * 6
    assert confirmation_cost(REFINED, _empty(REFINED)) == 8 * 2 + 2 * 8 + 8 + (4 + 1) * 6
    assert confirmation_cost(replace(PLAIN, prices=Prices(6, 20)), _empty(PLAIN)) == 20 * (8 * 2 + 8 + (2 + 1) * 6)


@given(st.integers(1, 200), st.sampled_from([0, 12]), st.sampled_from([0, 4]), st.integers(0, 3), st.integers(1, 9))
def test_a_search_never_costs_less_than_its_confirmation_and_its_course(
    arms: int, glance: int, narrowing: int, others: int, prompts: int
) -> None:
    round_plan = round_plan_of(arms, Schedule(glance=glance, narrowing=narrowing))
    demand = Demand(round_plan, None, Refinement(), prompts, others)
    cost_bound = cost_bound_of(demand, _empty(demand))
    assert cost_bound.both.cells >= round_plan.pictures, "a glance's units may come again in the rounds"
    assert cost_bound.both.already_made == 0
    assert cost_bound.forwards >= confirmation_cost(demand, _empty(demand))
