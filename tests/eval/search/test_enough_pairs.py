"""How many pairs confirm hangs on how far they scatter, never on who leads. On arrays, no models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.search.strategies.enough_pairs import FIRST_PAIRS, enough_pairs, pairs_wanted
from eval.search.strategies.paired_bound import bound

ARMS, UNITS = 4, 72
ROOM = np.arange(6, UNITS)  # the first seed chose


def chosen(scores: np.ndarray, prompts: int, difference: float) -> np.ndarray:
    asked = [f"prompt {at % prompts}" for at in range(UNITS)]

    def measure(wanted: np.ndarray) -> np.ndarray:
        assert not wanted[:, :6].any()
        return np.where(wanted, scores, np.nan)

    return enough_pairs(measure, scores.shape, np.arange(ARMS), ROOM, asked, difference)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 9999), st.sampled_from([1, 2, 3, 6]), st.floats(0.005, 0.5), st.floats(0.01, 0.2))
def test_who_leads_changes_nothing_and_seeds_stay_whole(seed: int, prompts: int, difference: float, sd: float) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=sd, size=(ARMS, UNITS))
    units = chosen(scores, prompts, difference)
    apart = chosen(scores + rng.normal(size=(ARMS, 1)) + rng.normal(size=UNITS), prompts, difference)
    assert units.tolist() == apart.tolist() == ROOM[: len(units)].tolist()
    assert min(FIRST_PAIRS, len(ROOM)) <= len(units) <= len(ROOM)
    assert len(units) == len(ROOM) or len(units) % prompts == 0
    assert len(chosen(scores, prompts, difference / 2)) >= len(units)


def test_with_so_many_pairs_the_bound_is_no_wider_than_what_matters() -> None:
    rng = np.random.default_rng(3)
    within = []
    for _ in range(200):
        scores = rng.normal(scale=0.02, size=(ARMS, UNITS))
        units = chosen(scores, 6, 0.02)
        assert len(units) < len(ROOM)
        prompts = [f"prompt {at % 6}" for at in units]
        within.append(bound(scores[:, units], prompts, ARMS - 1).most_ahead.max())
    assert np.mean(within) <= 0.02


def test_the_bound_holds_for_a_number_that_was_read_off_the_first_pairs() -> None:
    """Four arms that are all alike: in at most 5 % one is called surely behind."""
    rng = np.random.default_rng(4)
    beaten = []
    for _ in range(600):
        scores = rng.normal(scale=0.025, size=(ARMS, UNITS))
        units = chosen(scores, 6, 0.02)
        beaten.append(bound(scores[:, units], [f"prompt {at % 6}" for at in units], ARMS - 1, choice=0).within)
    shortest = np.mean([one <= 0 for one in beaten])
    assert shortest <= 0.05


def test_of_one_pair_nothing_is_known_so_all_are_wanted() -> None:
    assert pairs_wanted(np.array([[0.1], [0.3]]), ["p"], 0.02) == np.inf
    two = np.array([[0.1, 0.3], [0.2, 0.1]])
    assert pairs_wanted(two, ["p", "p"], 0.02) == pytest.approx(4 * pairs_wanted(two, ["p", "p"], 0.04))
