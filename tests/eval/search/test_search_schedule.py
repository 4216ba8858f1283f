"""What a search is going to cost is known before it starts, and a budget is kept."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.search.strategies.schedule import BudgetError, Round, Schedule, first_fresh_unit, round_plan_of, within_budget


def test_the_protocol_s_own_example() -> None:
    round_plan = round_plan_of(300, Schedule())
    assert [(one.arms, one.units, one.kept) for one in round_plan.rounds] == [
        (300, 4, 100),
        (100, 8, 34),
        (34, 16, 12),
        (12, 32, 4),
    ]
    assert round_plan.pictures == 2320
    assert first_fresh_unit(round_plan.search_units, 12) == 36


def test_few_arms_go_straight_to_the_end() -> None:
    round_plan = round_plan_of(3, Schedule())
    assert round_plan.rounds == ()
    assert round_plan.pictures == 3 * 64
    assert first_fresh_unit(round_plan.search_units, 6) == 0


def test_a_glance_shows_every_arm_once() -> None:
    round_plan = round_plan_of(128, Schedule(glance=12))
    assert (round_plan.rounds[0].pictures, round_plan.rounds[0].dealt, round_plan.rounds[0].kept) == (128, True, 64)
    assert round_plan.rounds[-1].kept == 4


def test_few_arms_have_no_glance() -> None:
    """Where hardly two arms met one unit, nothing tells an arm's merit from its unit's."""
    assert not any(one.dealt for arms in (5, 12, 47) for one in round_plan_of(arms, Schedule(glance=12)).rounds)
    assert round_plan_of(48, Schedule(glance=12)).rounds[0].dealt


def test_a_glance_that_would_leave_no_more_than_the_finalists_is_none() -> None:
    schedule = Schedule(glance=1, glance_keep=2, finalists=4)
    assert not round_plan_of(8, schedule).rounds[0].dealt
    assert round_plan_of(9, schedule).rounds[0] == Round(9, 1, 5, 9, dealt=True)


def test_many_arms_are_narrowed_down_on_units_that_come_anew() -> None:
    plan = round_plan_of(128, Schedule(glance=12, narrowing=4))
    assert plan.rounds[0] == Round(128, 6, 32, 128, dealt=True)
    assert [(one.since, one.units, one.arms, one.kept) for one in plan.rounds[1:]] == [
        (6, 9, 32, 24),
        (9, 12, 24, 16),
        (12, 15, 16, 8),
        (15, 18, 8, 4),
    ]
    assert plan.pictures == 128 + 3 * (32 + 24 + 16 + 8) + 4 * 64
    assert round_plan_of(95, Schedule(glance=12, narrowing=4)) == round_plan_of(95, Schedule(glance=12)), "too few"
    assert round_plan_of(128, Schedule(narrowing=4)) == round_plan_of(128, Schedule()), "no glance"


@given(st.integers(96, 3000), st.integers(1, 40), st.integers(1, 24), st.integers(1, 9))
def test_narrowing_rounds_follow_one_another(arms: int, finalists: int, glance: int, count: int) -> None:
    plan = round_plan_of(arms, Schedule(finalists=finalists, glance=glance, narrowing=count))
    met, left = 0, arms
    for one in plan.rounds:
        assert one.arms == left
        assert one.since == (0 if one.dealt else met)
        assert finalists <= one.kept <= one.arms
        assert one.pictures == one.arms * (1 if one.dealt else one.units - one.since)
        met, left = one.units, one.kept
    assert left == plan.finalists == finalists


@given(st.integers(90, 500), st.integers(0, 5000))
def test_a_budget_of_a_search_that_narrows_is_kept_or_refused(arms: int, pictures: int) -> None:
    schedule = Schedule(glance=12, narrowing=4)
    try:
        fitted = within_budget(arms, schedule, pictures)
    except BudgetError:
        return
    assert round_plan_of(arms, fitted).pictures <= pictures
    assert 1 <= fitted.narrowing <= 4


@given(st.integers(1, 2000), st.integers(1, 6), st.integers(2, 5), st.integers(1, 6), st.sampled_from([0, 12]))
def test_rounds_follow_one_another(arms: int, first: int, keep: int, finalists: int, glance: int) -> None:
    round_plan = round_plan_of(arms, Schedule(first, keep, finalists, 10, glance))
    left = arms
    for one in round_plan.rounds:
        assert one.arms == left
        assert 0 < one.kept < one.arms
        left = one.kept
    assert left == round_plan.finalists == min(arms, finalists)


@given(st.integers(1, 500), st.integers(0, 5000))
def test_a_budget_is_kept_or_refused(arms: int, pictures: int) -> None:
    try:
        fitted = within_budget(arms, Schedule(), pictures)
    except BudgetError:
        return
    assert round_plan_of(arms, fitted).pictures <= pictures
    assert fitted.confirm_units >= 8


def test_a_budget_that_is_large_enough_changes_nothing() -> None:
    assert within_budget(300, Schedule(), 2320) == Schedule()


def test_a_budget_too_small_names_the_cheapest_search() -> None:
    with pytest.raises(BudgetError, match="the cheapest search takes") as caught:
        within_budget(300, Schedule(), 50)
    cheapest = int(str(caught.value).split("takes ")[1].split(";")[0])
    fitted = within_budget(300, Schedule(), cheapest)
    assert round_plan_of(300, fitted).pictures == cheapest
    assert (fitted.first_units, fitted.keep, fitted.confirm_units) == (1, 6, 8), "twice as hard a cut, and no harder"


def test_a_budget_is_met_by_fewer_units_to_confirm_on_first() -> None:
    """Of 2,320 pictures 256 confirm four finalists, four a unit; then one unit fewer begins, with as many as fit."""
    assert within_budget(300, Schedule(), 2319) == replace(Schedule(), confirm_units=63)
    assert within_budget(300, Schedule(), 2320 - 56 * 4) == replace(Schedule(), confirm_units=8)
    assert within_budget(300, Schedule(), 2320 - 56 * 4 - 1) == replace(Schedule(), first_units=3, confirm_units=64)
    assert within_budget(3, Schedule(confirm_units=4), 12).confirm_units == 4, "few are not made more"
