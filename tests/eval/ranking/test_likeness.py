"""One person as a direction, and what a picture without a face counts; on paper."""

from __future__ import annotations

import numpy as np
import pytest

from base_models.vision.likeness import at_the_floor, ceiling, centroid, floors, mean_interval, stand_in, unit_length

NAN = np.nan
pytestmark = pytest.mark.filterwarnings("error")


def test_vectors_are_scaled_to_length_one_and_nothing_has_no_direction() -> None:
    found = unit_length(np.array([[3.0, 4.0], [0.0, -2.0], [0.0, 0.0], [0.0, 0.5]]))
    assert found == pytest.approx(np.array([[0.6, 0.8], [0.0, -1.0], [NAN, NAN], [0.0, 1.0]]), nan_ok=True)


def test_the_subject_is_the_direction_of_the_mean() -> None:
    assert centroid(np.array([[1.0, 0.0], [0.0, 1.0]])) == pytest.approx(np.array([1, 1]) / 2**0.5)
    assert centroid(np.array([[1.0, 0.0], [0.6, 0.8], [0.6, -0.8]])) == pytest.approx([1.0, 0.0])


def test_the_ceiling_is_each_references_cosine_with_the_others() -> None:
    """(1, 0) against the direction of (1.2, 0); (0.6, 0.8) against (1.6, -0.8), and its mirror image."""
    references = np.array([[1.0, 0.0], [0.6, 0.8], [0.6, -0.8]])
    other = (0.6 * 1.6 - 0.8 * 0.8) / np.hypot(1.6, 0.8)
    assert ceiling(references) == pytest.approx((1.0 + 2 * other) / 3)
    assert ceiling(references[1:]) == pytest.approx(0.36 - 0.64)
    assert np.isnan(ceiling(references[:1]))


def test_a_floor_is_the_base_models_own_or_the_mean_of_the_others() -> None:
    others = np.array([0.8, NAN, 0.9])
    assert floors(np.array([0.1, NAN, 0.3]), others) == pytest.approx([0.1, 0.2, 0.3])
    assert stand_in(np.array([0.1, NAN, 0.3]), others) == pytest.approx(0.2)


def test_where_the_base_model_never_shows_the_class_other_people_of_its_stand_in() -> None:
    """By this recogniser strangers are near 0.8: a lost face counted 0 would be worse than any stranger's."""
    nobody = np.array([NAN, NAN])
    assert floors(nobody, np.array([0.75, NAN, 0.85])) == pytest.approx([0.8, 0.8])
    assert stand_in(nobody, np.array([0.75, NAN, 0.85])) == pytest.approx(0.8)


@pytest.mark.parametrize("others", [np.empty(0), np.array([NAN])])
def test_without_any_face_of_the_base_models_no_floor_is_known_and_none_is_made_up(others: np.ndarray) -> None:
    nobody = np.array([NAN, NAN])
    assert np.isnan(stand_in(nobody, others))
    assert floors(nobody, others).tolist() == [-1.0, -1.0]


def test_nothing_counts_below_its_own_units_floor() -> None:
    raw = np.array([[0.5, NAN, 0.1], [-0.9, 0.9, NAN]])
    assert at_the_floor(raw, np.array([0.2, 0.3, 0.4])).tolist() == [[0.5, 0.3, 0.4], [0.2, 0.9, 0.4]]


def test_the_interval_of_a_mean_is_students() -> None:
    """Of 0.1, 0.2 and 0.6: mean 0.3, SD sqrt(0.07), t of 2 degrees 4.3027."""
    half = 4.302653 * (0.07 / 3) ** 0.5
    low, high = mean_interval(np.array([0.1, 0.2, 0.6])) or (NAN, NAN)
    assert (low, high) == (pytest.approx(0.3 - half), pytest.approx(0.3 + half))
    assert mean_interval(np.array([0.4])) is None
    assert mean_interval(np.array([0.4, 0.4])) == (pytest.approx(0.4), pytest.approx(0.4))
    assert mean_interval(np.array([-1.0, 1.0])) == (-1.0, 1.0)
