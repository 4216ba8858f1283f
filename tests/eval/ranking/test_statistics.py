"""Intervals cover what they claim, whatever the number of seeds a prompt."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.ranking.statistics import (
    contains_zero,
    differences_to,
    intervals,
    pairs_needed,
    resampling,
    strata,
    wilson,
    within_sd,
)


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
@settings(max_examples=30, deadline=None)
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
