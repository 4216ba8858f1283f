"""What other seeds would show: nothing of the first row's luck, and no less of what is true."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit

from eval.statistics.shrinkage import expected_means

PROMPTS = [f"p{at // 4}" for at in range(24)]
NOISE = 0.07


def grid(truth: np.ndarray, seed: int, prompts: list[str] = PROMPTS) -> np.ndarray:
    """Likenesses (C, U) of rows of a true mean each, with what prompts and seeds have in common."""
    rng = np.random.default_rng(seed)
    shared = np.repeat(rng.normal(0, 0.05, len(set(prompts))), len(prompts) // len(set(prompts)))
    shared = shared - shared.mean()
    return truth[:, None] + shared + rng.normal(0, NOISE, (len(truth), len(prompts)))


@pytest.mark.parametrize(("rows", "spread"), [(12, 0.0), (12, 0.05), (60, 0.0), (60, 0.02)])
def test_the_first_row_is_neither_flattered_nor_cut_down_and_its_interval_holds(rows: int, spread: float) -> None:
    off, holds = [], []
    for seed in range(120):
        truth = 0.5 + np.random.default_rng(1000 + seed).normal(0, 1, rows) * spread
        values = grid(truth, seed)
        found, first = expected_means(values, PROMPTS), int(values.mean(1).argmax())
        off.append(found.means[first] - truth[first])
        holds.append(found.intervals[first, 0] <= truth[first] <= found.intervals[first, 1])
    assert abs(np.mean(off)) < 0.006
    assert np.mean(holds) > 0.9


def test_a_group_of_good_rows_is_not_taken_for_a_part_of_the_bad_ones() -> None:
    """Thirty rows at 0.2 and thirty at 0.6: the luck among the good is taken off, and not the way between both."""
    off = []
    for seed in range(40):
        truth = np.repeat([0.2, 0.6], 30)
        values = grid(truth, seed)
        off.append(expected_means(values, PROMPTS).means[values.mean(1).argmax()] - 0.6)
    assert abs(np.mean(off)) < 0.006
    assert np.mean(np.abs(off)) < 0.02


@given(st.integers(0, 1000), st.integers(2, 11))
@settings(max_examples=25)
def test_rows_of_one_group_keep_their_order_and_their_mean_level(seed: int, rows: int) -> None:
    values = grid(0.5 + np.random.default_rng(seed).normal(0, 0.02, rows), seed)
    found = expected_means(values, PROMPTS)
    assert (np.diff(found.means[np.argsort(values.mean(1))]) >= -1e-9).all()
    assert found.means.mean() == pytest.approx(values.mean(), abs=1e-9 if rows < 6 else 0.002)
    assert (found.intervals[:, 0] <= found.means).all()
    assert np.ptp(found.means) <= np.ptp(values.mean(1)) + 1e-9


def by_hand(values: np.ndarray, prompts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances (C,) of rows too few to stand apart from: what docs/scoring.md says, a row at a time."""
    rows, units, means = len(values), values.shape[1], [float(row.mean()) for row in values]
    level = sum(means) / rows
    error = 0.0
    for name in set(prompts):
        at = [unit for unit, prompt in enumerate(prompts) if prompt == name]
        part = values[:, at] - values[:, at].mean(0)  # what rows share of a unit is no difference between them
        scatter = sum(float(((row - row.mean()) ** 2).sum()) for row in part) / (rows - 1)
        error += scatter * len(at) / (len(at) - 1) / units**2
    away = [(mean - level) ** 2 for mean in means]
    kept = max(0.0, 1 - 1.05 * rows * error / sum(away))
    expected = [level + kept * (mean - level) for mean in means]
    open_left = [
        kept * error + (1 - kept) * error / rows + 2 / max(rows - 3, 1) * (1 - kept) ** 2 * distance
        for distance in away
    ]
    return np.array(expected), np.array(open_left)


@given(st.integers(0, 1000), st.integers(2, 5), st.sampled_from([0.0, 0.02, 0.1]))
@settings(max_examples=40)
def test_few_rows_are_drawn_together_as_written_down(seed: int, rows: int, spread: float) -> None:
    values = grid(0.5 + np.random.default_rng(seed).normal(0, 1, rows) * spread, seed)
    found = expected_means(values, PROMPTS)
    expected, open_left = by_hand(values, PROMPTS)
    assert found.means == pytest.approx(expected, abs=1e-9)
    assert found.own == pytest.approx(open_left, rel=1e-6)
    half = 1.959964 * np.sqrt(open_left + open_left[0])
    against = found.differences_to(0)
    assert against[1:, 1] - against[1:, 0] == pytest.approx(2 * half[1:], rel=1e-6)
    assert against.mean(1) == pytest.approx(expected - expected[0], abs=1e-9)
    # What all rows share moves them all, so it widens a row's own interval beside what is open of the row.
    shared = values.mean(0)
    of_level = sum(shared[at : at + 4].var(ddof=1) * 4 for at in range(0, 24, 4)) / 24**2
    wide = np.sqrt(1.959964**2 * open_left + float(stdtrit(18, 0.975)) ** 2 * of_level)
    assert found.intervals[:, 1] - found.intervals[:, 0] == pytest.approx(2 * wide, rel=1e-6)


def test_groups_of_unlike_size_are_found_where_they_lie() -> None:
    """Ten rows at 0.2 beside fifty at 0.6, all alike within: nearly nothing of what sets them apart within is true."""
    for seed in range(10):
        values = grid(np.repeat([0.2, 0.6], [10, 50]), seed)
        found, seen = expected_means(values, PROMPTS).means, values.mean(1)
        for part in (slice(0, 10), slice(10, 60)):
            assert found[part].mean() == pytest.approx(seen[part].mean(), abs=0.002)
            assert np.ptp(found[part]) < 0.5 * np.ptp(seen[part])


@pytest.mark.parametrize(("rows", "better"), [(10, 1), (60, 1), (40, 2)])
def test_a_row_that_stands_apart_is_not_drawn_to_the_others(rows: int, better: int) -> None:
    """One checkpoint that works among many that are all alike: the others say nothing of it."""
    off, holds, again = [], [], []
    for seed in range(40):
        truth = np.where(np.arange(rows) < better, 0.62, 0.5)
        values = grid(truth, seed)
        found, first = expected_means(values, PROMPTS), int(values.mean(1).argmax())
        off.append(found.means[first] - truth[first])
        holds.append(found.intervals[first, 0] <= truth[first] <= found.intervals[first, 1])
        again.append(found.first_again(np.ones(rows, dtype=bool))[:better].sum())
        assert (found.differences_to(first)[better:, 0] < -0.02).all()  # none of them is as good
    assert abs(np.mean(off)) < 0.01
    assert np.mean(holds) > 0.85
    assert np.mean(again) > 0.95


def test_three_groups_are_told_apart() -> None:
    values = grid(np.repeat([0.1, 0.35, 0.6], [12, 30, 18]), 4)
    found, seen = expected_means(values, PROMPTS).means, values.mean(1)
    for part in (slice(0, 12), slice(12, 42), slice(42, 60)):
        assert found[part].mean() == pytest.approx(seen[part].mean(), abs=0.002)
        assert np.ptp(found[part]) < 0.5 * np.ptp(seen[part])


def test_a_row_alone_is_what_it_is_and_one_unit_tells_nothing_more() -> None:
    values = grid(np.array([0.5]), 3)
    alone = expected_means(values, PROMPTS)
    assert alone.means == pytest.approx(values.mean(1))
    assert alone.intervals[0, 0] < alone.means[0] < alone.intervals[0, 1]
    assert alone.first_again(np.array([True])).tolist() == [1.0]
    one = expected_means(values[:, :1], ["p"])
    assert one.means == pytest.approx(values[:, 0])
    assert np.isnan(one.intervals).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is averaged where there is nothing
        assert np.isnan(one.first_again(np.array([True]))).all()
    assert np.isnan(one.differences_to(0)).all()


def test_rows_without_any_scatter_are_known() -> None:
    still = np.repeat([[0.2], [0.4], [0.5]], len(PROMPTS), axis=1)
    found = expected_means(still, PROMPTS)
    assert found.means == pytest.approx([0.2, 0.4, 0.5], abs=1e-6)
    assert found.differences_to(2)[:, 1] == pytest.approx([-0.3, -0.1, 0.0], abs=1e-5)
    assert found.first_again(np.ones(3, dtype=bool)).tolist() == [0.0, 0.0, 1.0]


def test_coming_first_again_is_said_as_often_as_it_happens_and_of_eligible_rows_alone() -> None:
    said, happened = [], []
    rng = np.random.default_rng(9)
    for seed in range(80):
        truth = 0.5 + rng.normal(0, 0.03, 12)
        values = grid(truth, seed)
        first = int(values.mean(1).argmax())
        again = truth[:, None] + rng.normal(0, NOISE / np.sqrt(len(PROMPTS)), (12, 200))
        said.append(expected_means(values, PROMPTS).first_again(np.ones(12, dtype=bool))[first])
        happened.append(np.mean(again.argmax(0) == first))
    assert np.mean(said) == pytest.approx(np.mean(happened), abs=0.08)
    values = grid(np.array([0.9, 0.5, 0.4]), 0)
    assert expected_means(values, PROMPTS).first_again(np.array([False, True, True]))[0] == 0.0


def test_rows_taken_twice_are_one_cell() -> None:
    values = grid(np.array([0.5, 0.52, 0.4]), 5)
    found = expected_means(values, PROMPTS).taken([1, 0, 1, 2])
    assert found.differences_to(0)[2].tolist() == [0.0, 0.0]
    again = found.first_again(np.ones(4, dtype=bool))
    assert again[0] == again[2]
