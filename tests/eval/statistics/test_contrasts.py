"""Differences and slopes between groups of cells, as weights that can be worked out on paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import stdtrit

from eval.statistics.contrasts import Estimate, PictureScores, difference, mean_of, slope
from eval.statistics.intervals import intervals, resampling

NAN = np.nan
pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(
    ("low", "high", "sign"), [(0.1, 0.3, 1), (-0.3, -0.1, -1), (-0.1, 0.3, 0), (0.0, 0.3, 0), (NAN, NAN, 0)]
)
def test_a_sign_is_said_where_the_whole_interval_is_on_that_side(low: float, high: float, sign: int) -> None:
    assert Estimate((low + high) / 2, low, high).sign == sign


def test_an_estimate_is_written_with_its_interval() -> None:
    assert str(Estimate(0.12345, -0.1, 0.3)) == "+0.123 (95 % -0.100 to +0.300)"


def _figure() -> PictureScores:
    """Three cells on four units; the first lacks one, the second all."""
    return PictureScores("f", np.array([[1.0, NAN, 4.0, 1.0], [NAN] * 4, [2.0, 3.0, 7.0, 4.0]]), ["p", "p", "q", "q"])


def test_what_a_picture_lacks_moves_no_mean() -> None:
    figure = _figure()
    assert figure.known.tolist() == [True, False, True]
    assert figure.filled.tolist() == [[1, 2, 4, 1], [0] * 4, [2, 3, 7, 4]]
    assert figure.means == pytest.approx([2.0, NAN, 4.0], nan_ok=True)


def test_a_figure_without_units_is_unknown() -> None:
    none = PictureScores("f", np.zeros((2, 0)), [])
    assert none.known.tolist() == [False, False]
    assert np.isnan(none.means).all()
    for found in (none.estimate(np.array([1.0, -1.0])), _figure().estimate(np.zeros(3))):
        assert np.isnan([found.value, found.low, found.high]).all()


def test_an_estimate_is_the_weighted_sum_and_its_interval_that_of_the_units() -> None:
    found = _figure().estimate(np.array([1.0, 0.0, -1.0]))
    low, high = intervals(np.array([[-1.0, -1.0, -3.0, -3.0]]), resampling(["p", "p", "q", "q"]))[0]
    assert found.value == pytest.approx(-2.0)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_intervals_that_hold_at_once_are_wider_by_students_t() -> None:
    weights = np.array([1.0, 0.0, 0.0])
    one, five = _figure().estimate(weights), _figure().estimate(weights, 5)
    wider = stdtrit(2, 1 - 0.025 / 5) / stdtrit(2, 1 - 0.025)  # four units in two prompts leave two degrees
    assert five.value == one.value
    assert (five.high - five.low) / (one.high - one.low) == pytest.approx(wider)


def test_a_mean_weighs_its_cells_alike() -> None:
    assert mean_of(np.array([True, False, True])) == pytest.approx([0.5, 0.0, 0.5])
    assert mean_of(np.zeros(3, dtype=bool)) == pytest.approx([0.0, 0.0, 0.0])


def test_a_difference_is_taken_within_blocks_that_have_both_sides() -> None:
    """Cells of the blocks a and b take turns; a has two upper ones, and c has no lower one."""
    blocks = ["a", "b", "a", "b", "a", "c", "d"]
    upper = np.array([True, False, True, True, False, True, False])
    lower = np.array([False, True, False, False, True, False, True])
    assert difference(blocks, upper, lower) == pytest.approx([0.25, -0.5, 0.25, 0.5, -0.5, 0.0, 0.0])
    assert difference(blocks, upper, np.zeros(7, dtype=bool)) == pytest.approx(np.zeros(7))


def test_a_slope_has_an_intercept_for_every_block() -> None:
    levels = np.array([0.0, 1.0, 2.0, 5.0, NAN, 9.0])
    assert slope(["a", "b", "a", "b", "a", "c"], levels) == pytest.approx([-0.1, -0.2, 0.1, 0.2, 0.0, 0.0])
    assert slope(["a", "a"], np.array([0.0, 0.5])) == pytest.approx([-2.0, 2.0])
    assert slope(["a", "a", "b"], np.array([0.5, 0.5, NAN])) == pytest.approx([0.0, 0.0, 0.0])


@example([("a", 0.78)] * 3, 1.0)  # their mean is rounded
@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(-2, 2)), min_size=1, max_size=12), st.floats(-3, 3))
def test_a_line_has_its_own_slope_whatever_its_blocks_add(cells: list[tuple[str, float]], steep: float) -> None:
    blocks, levels = [block for block, _ in cells], np.array([round(level, 2) for _, level in cells])
    added = np.array([{"a": 0.0, "b": 5.0, "c": -7.0}[block] for block in blocks])
    varied = any(len({levels[at] for at in range(len(cells)) if blocks[at] == block}) > 1 for block in blocks)
    assert slope(blocks, levels) @ (steep * levels + added) == pytest.approx(steep if varied else 0.0, abs=1e-6)
