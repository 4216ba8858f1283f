"""Intervals cover what they claim, whatever the number of seeds a prompt."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.statistics.intervals import (
    chance_half,
    contains_zero,
    differences_to,
    intervals,
    normal_changes,
    pairs_needed,
    resampling,
    strata,
    wilson,
    within_sd,
)

NAN = np.nan


def prompts_of(prompts: int, seeds: int) -> list[str]:
    return [f"prompt {p}" for p in range(prompts) for _ in range(seeds)]


@given(st.integers(1, 200), st.data())
def test_wilson_holds_the_share_and_stays_inside(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson(successes, trials)
    assert 0.0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1.0


def test_wilson_matches_the_published_example() -> None:
    # Newcombe 1998, Stat. Med. 17:857, table I, method 3: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("prompts", "seeds"), [(6, 2), (2, 2), (4, 3), (12, 1), (1, 4), (3, 8)])
def test_interval_covers_the_true_mean(prompts: int, seeds: int) -> None:
    """2,000 grids whose prompts differ much and whose seeds differ little: 95 % of the intervals hold the mean.

    With one seed a prompt the prompts' own differences cannot be told from the seeds', so that case has none.
    """
    rng = np.random.default_rng(7)
    names = prompts_of(prompts, seeds)
    between = np.repeat(rng.normal(scale=0.5 if seeds > 1 else 0.0, size=prompts), seeds)
    values = between + rng.normal(scale=0.1, size=(2000, prompts * seeds))
    found = intervals(values, resampling(names))
    covered = ((found[:, 0] <= between.mean()) & (between.mean() <= found[:, 1])).mean()
    assert 0.935 <= covered <= 0.965


def test_pairing_sees_a_difference_that_unpaired_intervals_hide() -> None:
    rng = np.random.default_rng(1)
    shared = rng.normal(scale=0.3, size=24)
    values = np.stack([shared, shared - 0.05 + rng.normal(scale=0.02, size=24)])
    resampled = resampling(prompts_of(6, 4))
    low, high = intervals(values, resampled)
    assert low[0] < high[1], "the two intervals overlap"
    assert not contains_zero(differences_to(0, values, resampled))[1]


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=30)
def test_weights_average_and_every_unit_is_in_one_stratum(prompts: int, seeds: int, lonely: int) -> None:
    names = prompts_of(prompts, seeds) + [f"lonely {at}" for at in range(lonely)]
    assert sorted(np.concatenate(strata(names)).tolist()) == list(range(len(names)))
    resampled = resampling(names, resamples=50)
    if len(names) > 1:
        assert resampled.weights.sum(1) == pytest.approx(1.0)
        assert all(len(group) > 1 for group in strata(names)), "no unit is held fixed"


def test_one_unit_says_nothing() -> None:
    found = differences_to(0, np.array([[0.1], [0.9]]), resampling(["only"]))
    assert np.isnan(found).all()
    assert contains_zero(found).all()


def test_the_same_question_gets_the_same_answer() -> None:
    values = np.random.default_rng(0).normal(size=(3, 12))
    first, second = (intervals(values, resampling(prompts_of(3, 4))) for _ in range(2))
    assert np.array_equal(first, second)


def test_pairs_a_claim_needs() -> None:
    assert (pairs_needed(0.05, 0.14).pairs, pairs_needed(0.02, 0.14).pairs) == (62, 385)


def test_within_sd_does_not_count_differences_between_prompts() -> None:
    rng = np.random.default_rng(2)
    values = np.repeat(rng.normal(scale=5.0, size=50), 8) + rng.normal(scale=0.14, size=(1, 400))
    assert within_sd(values, prompts_of(50, 8))[0] == pytest.approx(0.14, rel=0.1)


def test_wilsons_interval_on_paper() -> None:
    """Of 4, one: centre (1/4 + z^2/8) / (1 + z^2/4), half z / (1 + z^2/4) * sqrt(3/64 + z^2/64), at z = 2."""
    centre, half = (0.25 + 0.5) / 2, math.sqrt(3 / 64 + 4 / 64)
    assert wilson(1, 4, z=2.0) == (pytest.approx(centre - half), pytest.approx(centre + half))
    assert wilson(0, 4)[0] == 0.0
    assert wilson(4, 4)[1] == pytest.approx(1.0)
    assert wilson(0, 1)[1] > 0.5
    assert wilson(1, 1)[0] == pytest.approx(1 - wilson(0, 1)[1])


@pytest.mark.parametrize(
    ("prompts", "groups"),
    [
        ("ppqq", [[0, 1], [2, 3]]),
        ("pqpq", [[0, 2], [1, 3]]),
        ("pqr", [[0, 1, 2]]),
        ("ppqr", [[2, 3], [0, 1]]),
        ("pppqqr", [[3, 4, 5], [0, 1, 2]]),
        ("p", [[0]]),
        ("", []),
    ],
)
def test_strata_are_prompts_of_several_seeds_and_the_lonely_together(prompts: str, groups: list[list[int]]) -> None:
    assert [group.tolist() for group in strata(list(prompts))] == groups


def test_weights_draw_one_less_than_a_stratum_has_and_weigh_them_up() -> None:
    """Of p's two units one is drawn and counts for both; of q's three, two, and each counts one and a half."""
    drawn = resampling(list("ppqqq"), resamples=400)
    assert drawn.freedom == 3
    assert {round(5 * one, 6) for one in drawn.weights[:, :2].flatten()} == {0.0, 2.0}
    assert {round(5 * one, 6) for one in drawn.weights[:, 2:].flatten()} == {0.0, 1.5, 3.0}
    assert 5 * drawn.weights[:, :2].sum(1) == pytest.approx(2.0)
    assert 5 * drawn.weights[:, 2:].sum(1) == pytest.approx(3.0)
    assert resampling(list("pp")).weights.shape == (2000, 2)
    assert not np.array_equal(drawn.weights, resampling(list("ppqqq"), resamples=400, seed=1).weights)


def test_intervals_reach_students_t_and_more_where_several_are_to_hold() -> None:
    drawn = resampling(list("ppqqq"))
    values = np.array([[1.0, 2.0, 3.0, 5.0, 4.0], [0.0, 1.0, 0.0, 1.0, 3.0]])
    spread = (values @ drawn.weights.T).std(1)
    assert drawn.critical_value == pytest.approx(3.18245, abs=1e-5)  # Student's t of 3 degrees, 95 %
    assert drawn.critical_value_of(5) == pytest.approx(5.84091, abs=1e-5)  # 99 %
    assert drawn.critical_value_of(0) == drawn.critical_value
    for comparisons, reach in ((1, 3.18245), (5, 5.84091)):
        found = intervals(values, drawn, comparisons)
        assert found == pytest.approx(values.mean(1)[:, None] + spread[:, None] * [-reach, reach], abs=1e-4)
        apart = differences_to(1, values, drawn, comparisons)
        assert apart == pytest.approx(intervals(values - values[1], drawn, comparisons))
        assert apart[1].tolist() == [0.0, 0.0]
    assert intervals(values, drawn) == pytest.approx(intervals(values, drawn, 1))
    assert differences_to(0, values, drawn) == pytest.approx(differences_to(0, values, drawn, 1))
    assert drawn.means(values) == pytest.approx(values @ drawn.weights.T)


def test_normal_draws_move_each_stratum_around_its_own_mean() -> None:
    drawn = normal_changes(list("ppqqq"), draws=50_000)
    assert drawn[:, :2].sum(1) == pytest.approx(0.0, abs=1e-9)
    assert drawn[:, 2:].sum(1) == pytest.approx(0.0, abs=1e-9)
    wider = 3.18245 / 1.959964
    # A unit's share of its stratum's spread, (n - 1) / n of it, times Rao and Wu's n / (n - 1): a variance of 1.
    assert 5 * drawn.std(0) == pytest.approx(wider, rel=0.02)
    assert np.isnan(normal_changes(["p"])).all()
    assert normal_changes(list("pp")).shape == (2000, 2)


@pytest.mark.parametrize(
    ("low", "high", "holds"),
    [(-1, 1, True), (0.1, 1, False), (-1, -0.1, False), (5e-7, 1, True), (-1, -5e-7, True), (NAN, NAN, True)],
)
def test_an_interval_excludes_zero_where_all_of_it_is_to_one_side(low: float, high: float, holds: bool) -> None:
    assert contains_zero(np.array([[low, high], [1, 2]])).tolist() == [holds, False]


@pytest.mark.filterwarnings("error")
def test_the_spread_within_prompts_on_paper() -> None:
    """Around the means 2 and 5: 1 + 1 and 4 + 0 + 4, over five units in two prompts."""
    values = np.array([[1.0, 3.0, 3.0, 5.0, 7.0], [2.0] * 5])
    assert within_sd(values, list("ppqqq")) == pytest.approx([math.sqrt(10 / 3), 0.0])
    assert np.isnan(within_sd(values[:, :1], ["p"])).all()


def test_a_claim_needs_two_pairs_at_least_and_four_times_as_many_for_half() -> None:
    """((1.959964 + 0.841621) * 1 / 0.5) ** 2 = 31.4."""
    assert (pairs_needed(0.5, 1.0).pairs, pairs_needed(0.25, 1.0).pairs, pairs_needed(9.0, 0.1).pairs) == (32, 126, 2)
    assert (pairs_needed(0.5, 1.0).difference, pairs_needed(0.5, 1.0).sd) == (0.5, 1.0)


def test_half_of_what_chance_takes_a_mean_change_is_of_the_base_models_own_scatter() -> None:
    """Two prompts of three pictures, SD 0.1 within each: four degrees, and both sides of a change scatter."""
    figures = np.array([0.0, 0.1, 0.2, 0.5, 0.6, 0.7])
    names = ["p"] * 3 + ["q"] * 3
    assert chance_half(figures, names, 8) == pytest.approx(2.776445 * 0.1 * (2 / 8) ** 0.5)
    gaps = np.append(figures, np.nan)
    assert chance_half(gaps, [*names, "r"], 8) == pytest.approx(chance_half(figures, names, 8))
    for unknown in (
        chance_half(figures[:1], ["p"], 8),
        chance_half(gaps[-1:], ["p"], 8),
        chance_half(figures, names, 0),
    ):
        assert np.isnan(unknown)


def test_a_change_that_is_nothing_but_noise_is_within_chance_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(5)
    names = [f"p{at // 4}" for at in range(12)]
    outside = 0
    for _ in range(2000):
        base, other = rng.normal(size=(2, 12))
        outside += abs((other - base)[:4].mean()) > chance_half(base, names, 4)
    assert 0.03 < outside / 2000 < 0.075
