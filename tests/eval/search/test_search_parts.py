"""Rounds, races and bounds among arms whose scores are set: who stays, who goes, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, sqrt

import numpy as np
import pytest
from scipy.special import stdtrit

from eval.search.strategies.halving import Halved, always, confirm, halve, mean_so_far, none_broken
from eval.search.strategies.paired_bound import bound, residual_sd
from eval.search.strategies.race import interim_looks, race
from eval.search.strategies.schedule import Round, RoundPlan

NAN = np.nan
ONE_PROMPT = ["p"] * 64


def _level(*truth: float, units: int = 16, noise: float = 0.0) -> np.ndarray:
    """Arms of these means, over units that differ among themselves; `noise` is each arm's own."""
    hard = np.linspace(-1, 1, units)
    own = noise * np.random.default_rng(5).normal(size=(len(truth), units))
    return np.array(truth)[:, None] + hard + own


@dataclass
class Asked:
    """Measures, and keeps what was asked for."""

    scores: np.ndarray
    wanted: list[np.ndarray] = field(default_factory=list)

    def __call__(self, wanted: np.ndarray) -> np.ndarray:
        self.wanted.append(wanted)
        return np.where(wanted, self.scores, NAN)


def _breaking(*arms: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda left: np.isin(left, arms).astype(int)


# Paired differences.

VALUES = np.array([[1.0, 2.0, 4.0, 5.0], [0.0, 3.0, 3.0, 4.0], [2.0, 1.0, 1.0, 4.0]])
PROMPTS = ["p", "p", "q", "q"]


def test_the_residual_is_what_means_of_arms_and_units_leave_within_each_prompt() -> None:
    """Of p the arms' own means leave -0.5, -1.5 and 0.5 on its first unit, of q -0.5, -0.5 and -1.5.

    The units' means of those are -0.5 and -5/6; second units mirror first ones. Freedom: (3 - 1) arms x (4 - 2) units.
    """
    squares = 2 * (0 + 1 + 1) + 2 * ((1 / 3) ** 2 + (1 / 3) ** 2 + (2 / 3) ** 2)
    sd, freedom = residual_sd(VALUES, PROMPTS)
    assert freedom == 4
    assert sd == pytest.approx(sqrt(squares / 4))
    assert residual_sd(VALUES[:1], PROMPTS) == (pytest.approx(NAN, nan_ok=True), 0)
    assert residual_sd(VALUES[:2], PROMPTS)[1] == 2


def test_the_bound_is_the_difference_and_students_reach_times_the_larger_spread() -> None:
    pooled = sqrt(2) * residual_sd(VALUES, PROMPTS)[0]
    # Differences to the first arm: (-1, 1 | -1, -1) and (1, -1 | -3, -1). Within prompts 2 and 0, then 2 and 2.
    own = np.array([0.0, sqrt(2 / 2), sqrt(4 / 2)])
    for comparisons, looks in ((2, 1), (2, 4), (5, 1)):
        reach = stdtrit(4, 1 - 0.05 / (comparisons * looks))
        found = bound(VALUES, PROMPTS, comparisons, looks)
        expected = np.array([0.0, -0.5, -1.0]) + reach * np.maximum(own, pooled) / 2
        assert found.choice == 0
        assert found.most_ahead[0] == 0.0
        assert found.most_ahead[1:] == pytest.approx(expected[1:])
        assert found.within == pytest.approx(expected[1:].max())
    assert bound(VALUES, PROMPTS, 2).most_ahead == pytest.approx(bound(VALUES, PROMPTS, 2, 1).most_ahead)
    assert bound(VALUES, PROMPTS, 0).most_ahead == pytest.approx(bound(VALUES, PROMPTS, 1).most_ahead)


def test_a_pairs_own_spread_counts_where_it_is_the_larger() -> None:
    """Twenty arms that go together but for one: pooled over all of them it would seem as steady as they are."""
    values = np.zeros((20, 8))
    values[7] = np.array([1.0, -1.0] * 4) - 2.0
    found = bound(values, ["p"] * 8, 19, choice=0)
    own = sqrt(8 / 7)
    assert found.most_ahead[7] == pytest.approx(-2.0 + stdtrit(19 * 7, 1 - 0.05 / 19) * own / sqrt(8))
    assert found.most_ahead[3] > 0


def test_any_arm_may_be_held_against_the_others() -> None:
    values = _level(0.9, 0.5, 0.1)
    found = bound(values, ["p"] * 16, 2, choice=1)
    assert found.choice == 1
    assert found.within == pytest.approx(0.4)
    assert found.most_ahead == pytest.approx([0.4, 0.0, -0.4])
    assert found.beaten.tolist() == [False, False, True]


def test_who_is_level_with_the_choice_is_not_beaten() -> None:
    assert bound(_level(0.5, 0.5), ["p"] * 16, 1).beaten.tolist() == [False, False]
    one = bound(np.array([[0.9], [0.1]]), ["p"], 1)
    assert (one.within, one.most_ahead.tolist()) == (inf, [0.0, inf])


# Rounds.


def test_estimates_are_means_over_the_units_that_all_have_met() -> None:
    scores = np.array([[1.0, 5.0, NAN], [9.0, NAN, NAN], [3.0, 1.0, 7.0]])
    assert mean_so_far(scores, np.array([0, 2])).tolist() == [3.0, 2.0]
    assert mean_so_far(scores, np.array([2, 0])).tolist() == [2.0, 3.0]
    assert mean_so_far(scores, np.array([0, 1, 2])).tolist() == [1.0, 9.0, 3.0]
    assert none_broken(np.array([3, 5])).tolist() == [0, 0]
    assert always(np.ones(3, dtype=bool)) is True


# Six arms meet two units and four of them stay; these meet two more and three stay.
COURSE = RoundPlan(6, (Round(6, 2, 4, 12), Round(4, 4, 3, 8)), 3, 4)
# So much goes up and down that nobody is surely behind anybody.
UNSURE = _level(0.1, 0.5, 0.3, 0.6, 0.2, 0.4, noise=2.0)


def _exact(scores: np.ndarray, units: int) -> np.ndarray:
    return np.argsort(-scores[:, :units].mean(1))


def test_rounds_show_each_arm_what_it_has_not_met_and_keep_the_highest() -> None:
    measure = Asked(UNSURE)
    halved = halve(measure, COURSE, ONE_PROMPT[:16])
    first = _exact(UNSURE, 2)[:4]
    assert [int(one.sum()) for one in measure.wanted] == [12, 8]
    assert measure.wanted[0][:, :2].all()
    assert np.flatnonzero(measure.wanted[1].any(1)).tolist() == sorted(first.tolist())
    assert np.flatnonzero(measure.wanted[1].any(0)).tolist() == [2, 3]
    one, two = halved.stages
    assert (one.arms.tolist(), one.kept.tolist(), one.beaten.tolist()) == (list(range(6)), first.tolist(), [])
    assert (one.units, two.units, one.dealt) == (2, 4, False)
    second = [arm for arm in _exact(UNSURE, 4) if arm in first][:3]
    assert halved.finalists.tolist() == two.kept.tolist() == second
    assert halved.pictures == 20
    assert not halved.unfinished


def test_arms_surely_behind_go_early_but_for_a_runner_up() -> None:
    """Without noise all but the first are surely behind."""
    halved = halve(Asked(_level(0.1, 0.5, 0.3, 0.6, 0.2, 0.4)), COURSE, ONE_PROMPT[:16])
    assert len(halved.stages) == 1, "two are left, so the rounds end"
    assert halved.finalists.tolist() == [3, 1]
    assert halved.stages[0].beaten.tolist() == [2, 5]


def test_three_arms_left_go_on() -> None:
    scores = _level(0.6, 0.6, 0.6, 0.1, 0.1, 0.1)
    halved = halve(Asked(scores), COURSE, ONE_PROMPT[:16])
    assert len(halved.stages) == 2
    assert set(halved.finalists.tolist()) == {0, 1, 2}


def test_arms_that_break_more_limits_go_first_and_stay_only_as_a_runner_up() -> None:
    level = _level(0.1, 0.5, 0.3, 0.6, 0.2, 0.4, noise=2.0)
    halved = halve(Asked(level), COURSE, ONE_PROMPT[:16], broken=_breaking(0, 1, 2, 3))
    assert set(halved.finalists.tolist()) == {4, 5}
    alone = halve(Asked(level), COURSE, ONE_PROMPT[:16], broken=_breaking(0, 1, 2, 3, 4))
    best = max((0, 1, 2, 3, 4), key=lambda arm: level[arm, :2].mean())
    assert alone.finalists.tolist() == [5, best]
    assert alone.stages[0].kept.tolist() == [5, best]


def test_a_round_that_cannot_be_paid_ends_them_but_for_the_first() -> None:
    asked: list[int] = []

    def nothing(wanted: np.ndarray) -> bool:
        asked.append(int(wanted.sum()))
        return False

    halved = halve(Asked(UNSURE), COURSE, ONE_PROMPT[:16], affordable=nothing)
    assert asked == [8]
    assert halved.unfinished
    assert halved.finalists.tolist() == _exact(UNSURE, 2)[:3].tolist()
    assert halved.pictures == 12
    assert not Halved(halved.finalists, (), halved.scores).unfinished


def test_a_glance_deals_every_arm_one_unit_and_each_unit_as_often() -> None:
    round_plan = RoundPlan(8, (Round(8, 4, 5, 8, dealt=True), Round(5, 4, 3, 20)), 3, 4)
    measure = Asked(_level(*np.linspace(0, 1, 8), noise=2.0))
    halved = halve(measure, round_plan, ONE_PROMPT[:16], estimate=lambda scores, arms: -arms.astype(float))
    assert measure.wanted[0].sum(1).tolist() == [1] * 8
    assert measure.wanted[0].sum(0).tolist() == [2] * 4 + [0] * 12
    assert halved.stages[0].dealt
    assert halved.stages[0].kept.tolist() == [0, 1, 2, 3, 4], "none goes for being behind on other units"
    assert not (measure.wanted[1] & measure.wanted[0]).any()
    again = Asked(measure.scores)
    halve(again, round_plan, ONE_PROMPT[:16], estimate=lambda scores, arms: -arms.astype(float))
    assert np.array_equal(again.wanted[0], measure.wanted[0])
    uneven = Asked(_level(*np.linspace(0, 1, 9), noise=2.0))
    halve(
        uneven, RoundPlan(9, (Round(9, 4, 5, 9, dealt=True),), 3, 4), ONE_PROMPT[:16], lambda scores, arms: -1.0 * arms
    )
    assert sorted(uneven.wanted[0].sum(0).tolist()) == [0] * 12 + [2, 2, 2, 3]


def test_a_glance_sends_nobody_away_for_being_the_only_sound_one() -> None:
    round_plan = RoundPlan(8, (Round(8, 4, 5, 8, dealt=True),), 3, 4)
    level = _level(*np.linspace(0, 1, 8), noise=2.0)
    halved = halve(Asked(level), round_plan, ONE_PROMPT[:16], lambda _, arms: -1.0 * arms, broken=_breaking(*range(7)))
    assert halved.finalists.tolist() == [7, 0, 1, 2, 3]


def test_a_narrowing_round_shows_new_units_alone_and_nobody_is_told_behind_by_them() -> None:
    round_plan = RoundPlan(
        8, (Round(8, 4, 5, 8, dealt=True), Round(5, 7, 4, 15, since=4), Round(4, 10, 2, 12, since=7)), 2, 4
    )
    measure = Asked(_level(*np.linspace(0, 1, 8)))
    halved = halve(measure, round_plan, ONE_PROMPT[:16], lambda _, arms: arms.astype(float))
    assert [np.flatnonzero(one.any(0)).tolist() for one in measure.wanted[1:]] == [[4, 5, 6], [7, 8, 9]]
    assert [np.flatnonzero(one.any(1)).tolist() for one in measure.wanted[1:]] == [[3, 4, 5, 6, 7], [4, 5, 6, 7]]
    assert [stage.beaten.tolist() for stage in halved.stages] == [[], [], []]
    assert [(stage.since, stage.units) for stage in halved.stages] == [(0, 4), (4, 7), (7, 10)]
    assert halved.finalists.tolist() == [7, 6]


def test_limits_are_judged_in_a_narrowing_round_once_enough_units_are_met() -> None:
    rounds = (Round(8, 4, 6, 8, dealt=True), Round(6, 7, 4, 18, since=4), Round(4, 10, 2, 12, since=7))
    level = _level(*np.linspace(0, 1, 8))

    def broken(arms: np.ndarray) -> np.ndarray:
        """After a glance nothing is known of any."""
        return np.zeros(len(arms), dtype=int) if len(arms) == 8 else (arms == 7).astype(int)

    halved = halve(Asked(level), RoundPlan(8, rounds, 2, 4), ONE_PROMPT[:16], lambda _, arms: 1.0 * arms, broken)
    assert 7 in halved.stages[1].kept, "by three units alone nobody goes for a limit"
    assert halved.finalists.tolist() == [6, 5]


def test_being_surely_behind_is_judged_over_all_arms_and_rounds() -> None:
    """Whoever stays after the first of two rounds, of six arms, is what a bound of 5 comparisons and 2 looks leaves."""
    round_plan = RoundPlan(6, (Round(6, 8, 6, 48), Round(6, 16, 3, 48)), 3, 4)
    for noise in np.linspace(0.01, 0.6, 40):
        scores = _level(0.6, 0.55, 0.45, 0.3, 0.2, 0.1, noise=noise)
        kept = halve(Asked(scores), round_plan, ONE_PROMPT[:16]).stages[0].kept
        order = _exact(scores, 8)
        beaten = bound(scores[order, :8], ONE_PROMPT[:8], 5, 2).beaten
        assert kept.tolist() == [arm for at, arm in enumerate(order) if at < 2 or not beaten[at]]


def test_finalists_are_confirmed_on_the_fresh_units_alone() -> None:
    scores = UNSURE.copy()
    scores[:, 8:12] = [[0.0] * 4, [9.0] * 4, [1.0] * 4, [2.0] * 4, [9.0] * 4, [3.0] * 4]
    halved = Halved(np.array([3, 0, 5]), (), np.full(scores.shape, NAN))
    measure = Asked(scores)
    found = confirm(measure, halved, np.arange(8, 12), ONE_PROMPT[:8] + ["q"] * 8)
    assert found.choice == 5
    assert found.arms.tolist() == [3, 0, 5]
    assert found.scores.tolist() == [[2.0] * 4, [0.0] * 4, [3.0] * 4]
    assert np.argwhere(measure.wanted[0]).tolist() == [[arm, at] for arm in (0, 3, 5) for at in range(8, 12)]
    noisy = Asked(scores + np.arange(16) % 3 * np.arange(6)[:, None])
    found = confirm(noisy, halved, np.arange(6, 12), [*"ppppppppqqqqpppp"])
    wanted = bound(noisy.scores[[3, 0, 5], 6:12], [*"ppqqqq"], 2)
    assert found.bound.most_ahead == pytest.approx(wanted.most_ahead)


# Races.


@pytest.mark.parametrize(
    ("first", "last", "looks"), [(4, 48, (4, 8, 16, 32, 48)), (4, 16, (4, 8, 16)), (4, 4, (4,)), (9, 5, (5,))]
)
def test_looks_double_until_the_last(first: int, last: int, looks: tuple[int, ...]) -> None:
    assert interim_looks(first, last) == looks


def test_a_race_ends_with_one_arm_and_shows_the_others_no_more() -> None:
    measure = Asked(_level(0.5, 0.9, 0.1))
    raced = race(measure, 3, (4, 8, 16), ONE_PROMPT[:16])
    assert [int(one.sum()) for one in measure.wanted] == [12]
    assert (raced.survivors.tolist(), raced.finish_order.tolist()) == ([1], [1, 0, 2])
    assert raced.stages[0].beaten.tolist() == [0, 2]
    assert raced.within == 0.0
    assert raced.bounds == pytest.approx([0.0, 0.4, 0.8])
    assert raced.pictures == 12
    assert not raced.unfinished


def test_arms_that_are_level_run_to_the_end_and_see_each_unit_once() -> None:
    measure = Asked(_level(0.5, 0.5, 0.1))
    raced = race(measure, 3, (4, 8, 16), ONE_PROMPT[:16])
    assert [int(one.sum()) for one in measure.wanted] == [12, 8, 16]
    assert sorted(raced.survivors.tolist()) == [0, 1]
    assert raced.within == pytest.approx(0.0)
    assert [stage.units for stage in raced.stages] == [4, 8, 16]


def test_a_race_comes_closer_with_each_look() -> None:
    level = _level(0.5, 0.5, 0.5, noise=0.1)
    whole = race(Asked(level), 3, (4, 8, 16), ONE_PROMPT[:16])
    assert len(whole.stages) == 3
    within = [race(Asked(level), 3, (4, 8, 16)[:looks], ONE_PROMPT[:16]).within for looks in (1, 2, 3)]
    assert within[0] > within[1] > within[2] > 0
    told = [bound(level, ONE_PROMPT[:16], 2, 3, int(arm)).within for arm in whole.finish_order]
    assert whole.bounds == pytest.approx(told), "two comparisons at each of three looks"


def test_a_race_that_cannot_be_paid_ends_but_for_its_first_look() -> None:
    level = _level(0.5, 0.5, 0.5, noise=0.1)
    asked: list[int] = []

    def nothing(wanted: np.ndarray) -> bool:
        asked.append(int(wanted.sum()))
        return False

    raced = race(Asked(level), 3, (4, 8, 16), ONE_PROMPT[:16], affordable=nothing)
    assert raced.unfinished
    assert asked == [12]
    assert raced.pictures == 12
    assert sorted(raced.survivors.tolist()) == [0, 1, 2]


def test_an_arm_sends_away_those_that_break_as_many_limits_or_more() -> None:
    """The likest breaks a limit: it sends away its like, the best of the sound ones sends away all others behind it."""
    level = _level(0.9, 0.8, 0.5, 0.5, 0.1)
    raced = race(Asked(level), 5, (4, 8, 16), ONE_PROMPT[:16], broken=_breaking(0, 1))
    assert sorted(raced.survivors.tolist()) == [0, 2, 3]
    assert raced.stages[0].beaten.tolist() == [1, 4]
    assert raced.finish_order[0] in (2, 3), "those that break fewer are first, however unlike"
    assert raced.finish_order[-1] == 0
    assert raced.within == pytest.approx(0.4), "the likest stands for the one that it sent away"
    alone = race(Asked(level), 5, (4, 8, 16), ONE_PROMPT[:16], broken=_breaking(0))
    assert sorted(alone.survivors.tolist()) == [0, 1]
    assert alone.finish_order[:2].tolist() == [1, 0]
    assert alone.within == 0.0, "held against those that break no more than it does"


def test_a_sound_arm_that_is_better_sends_the_broken_away() -> None:
    raced = race(Asked(_level(0.5, 0.9, 0.4)), 3, (4, 8, 16), ONE_PROMPT[:16], broken=_breaking(0, 2))
    assert raced.survivors.tolist() == [1]


def test_who_sent_others_away_stands_for_them_also_if_it_breaks_a_limit_since() -> None:
    """Arm 0 sends arm 2 away; then it is found to break a limit. The first one left is 0.4 behind who it sent away."""

    def later(left: np.ndarray) -> np.ndarray:
        return ((left == 0) & (len(left) < 3)).astype(int)

    level = _level(0.9, 0.9, 0.1)
    level[1, 4:] -= 1.0
    raced = race(Asked(level), 3, (4, 8, 16), ONE_PROMPT[:16], broken=later)
    assert raced.finish_order[0] == 1
    assert raced.within > 0.4
    assert raced.stages[0].beaten.tolist() == [2]
