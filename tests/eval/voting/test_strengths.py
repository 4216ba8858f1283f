"""Votes: what they say of which cell is best, how sure that is, and which pair is asked next."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.voting.agreement import agreement, by_both
from eval.voting.next_pair import next_pair
from eval.voting.strengths import BEGINS_WITH, strengths_of
from eval.voting.vote import ANSWERS, Answer, Pair, Vote, bad_shares, of_voter, voters_of

CELLS = ("a", "b", "c", "d")
UNITS = [("portrait", 1), ("portrait", 2), ("beach", 1)]
AT = datetime(2026, 11, 27, tzinfo=UTC)


def vote(left: str, right: str, answer: Answer, voter: str = "mira", unit: tuple[str, int] = UNITS[0]) -> Vote:
    return Vote(Pair(left, right, *unit), answer, voter, AT)


SOME_VOTES = st.lists(
    st.builds(vote, st.sampled_from(CELLS[:2]), st.sampled_from(CELLS[2:]), st.sampled_from(ANSWERS)),
    max_size=30,
)


@given(SOME_VOTES)
@settings(max_examples=40)
def test_sides_do_not_count_and_the_order_of_votes_does_not(votes: list[Vote]) -> None:
    turned = {"left": "right", "right": "left"}
    mirrored = [
        vote(one.pair.right, one.pair.left, turned.get(one.answer, one.answer))  # pyright: ignore[reportArgumentType]
        for one in reversed(votes)
    ]
    ours, theirs = strengths_of(CELLS, votes), strengths_of(CELLS, mirrored)
    np.testing.assert_allclose(ours.strength, theirs.strength, atol=1e-5)
    np.testing.assert_allclose(ours.chance_to_be_best, theirs.chance_to_be_best, atol=0.01)


def test_without_votes_all_are_alike_and_all_may_be_the_best() -> None:
    found = strengths_of(CELLS, [])
    np.testing.assert_allclose(found.strength, 0, atol=1e-6)
    assert set(found.named_best) == set(CELLS)
    np.testing.assert_allclose(found.chance_to_be_best, 0.25, atol=0.03)
    np.testing.assert_allclose(-found.intervals[:, 0], found.intervals[:, 1], rtol=0.15)


def test_who_wins_is_stronger_and_more_votes_say_it_more_surely() -> None:
    few, many = (strengths_of(CELLS, [vote("a", other, "left") for other in CELLS[1:]] * times) for times in (1, 8))
    assert few.named_best[0] == many.named_best[0] == "a"
    assert len(many.named_best) == 1 < len(few.named_best)
    assert many.share_preferred("a", "b") > few.share_preferred("a", "b") > 0.5
    assert many.chance_to_be_best[0] > 0.99 > few.chance_to_be_best[0]


def test_strengths_are_those_of_the_most_likely_model() -> None:
    """Against the likelihood itself, climbed step by step."""
    votes = (
        [vote("a", "b", "left")] * 5 + [vote("b", "c", "left")] * 3 + [vote("a", "c", "tie"), vote("d", "a", "left")]
    )
    found = strengths_of(CELLS, votes)

    def gradient(strength: np.ndarray) -> np.ndarray:
        slope = BEGINS_WITH * (0.5 - 1 / (1 + np.exp(-strength)))
        for one in votes:
            left, right = CELLS.index(one.pair.left), CELLS.index(one.pair.right)
            missed = one.outcome - 1 / (1 + np.exp(strength[right] - strength[left]))
            slope[left] += missed
            slope[right] -= missed
        return slope

    np.testing.assert_allclose(gradient(found.strength), 0, atol=1e-4)


def test_votes_on_cells_that_are_not_asked_about_do_not_count() -> None:
    votes = [vote("a", "b", "left"), vote("a", "gone", "right")]
    both, one = (strengths_of(("a", "b"), some) for some in (votes, votes[:1]))
    assert (both.strength == one.strength).all()
    assert (both.draws == one.draws).all()


def test_draws_are_of_the_model_itself() -> None:
    """Two cells, and the same sum over a fine grid of strengths."""
    votes = [vote("a", "b", "left")] * 9 + [vote("a", "b", "right")]
    line = np.linspace(-12, 12, 801)
    a, b = np.meshgrid(line, line, indexing="ij")

    def log_odds(apart: np.ndarray) -> np.ndarray:
        return -np.logaddexp(0, -apart)

    height = np.exp(
        9 * log_odds(a - b) + log_odds(b - a) + sum(BEGINS_WITH * (log_odds(x) + log_odds(-x)) / 2 for x in (a, b))
    )
    height /= height.sum()
    found = strengths_of(("a", "b"), votes)
    assert found.chance_to_be_best[0] == pytest.approx(height[a > b].sum(), abs=0.01)
    assert found.draws.mean(0) == pytest.approx([(a * height).sum(), (b * height).sum()], abs=0.08)
    assert found.draws.std(0)[0] == pytest.approx(((a**2 * height).sum() - (a * height).sum() ** 2) ** 0.5, rel=0.06)


def asked(votes: Sequence[Vote], count: int) -> list[Pair]:
    rng = random.Random(5)
    return [next_pair(strengths_of(CELLS, votes), UNITS, votes, rng) for _ in range(count)]


def test_the_next_pair_is_of_contenders_on_both_sides() -> None:
    pairs = asked([vote("a", "d", "left"), vote("b", "d", "left"), vote("c", "d", "left")] * 6, 200)
    assert all(pair.left != pair.right for pair in pairs)
    shown = Counter(cell for pair in pairs for cell in pair.cells)
    assert shown["d"] < 10
    assert min(shown["a"], shown["b"], shown["c"]) > 90
    assert 60 < sum(pair.left == "a" for pair in pairs if "a" in pair.cells) * 200 / shown["a"] < 140


def test_pictures_that_were_shown_least_come_first() -> None:
    votes = [
        vote(one, other, "tie", unit=unit) for one in CELLS for other in CELLS if one < other for unit in UNITS[:2]
    ]
    assert {(pair.prompt, pair.seed) for pair in asked(votes, 20)} == {UNITS[2]}


def test_two_cells_that_are_sure_still_make_a_pair() -> None:
    votes = [vote("a", "b", "left")] * 400
    assert next_pair(strengths_of(("a", "b"), votes), UNITS, votes, random.Random(0)).cells == {"a", "b"}


@pytest.mark.parametrize(("order", "sign"), [((4, 3, 2, 1), 1), ((1, 2, 3, 4), -1)])
def test_votes_and_scores_agree_or_not_and_it_is_said(order: tuple[int, ...], sign: int) -> None:
    votes = [vote(one, other, "left") for at, one in enumerate(CELLS) for other in CELLS[at + 1 :]] * 12
    scores = dict(zip(CELLS, map(float, order), strict=True))
    found = agreement(strengths_of(CELLS, votes), scores)
    assert found is not None
    assert found.correlation == pytest.approx(sign)
    assert found.low * sign > 0 or found.high * sign > 0
    assert ("alike" in found.sentence) == (sign > 0)
    nothing = agreement(strengths_of(CELLS, []), scores)
    assert nothing is not None
    assert "cannot be told yet" in nothing.sentence
    assert agreement(strengths_of(CELLS[:3], votes), scores) is None


def test_a_ranking_by_both_is_between_them() -> None:
    votes = [vote("b", other, "left") for other in ("a", "c", "d")] * 9 + [
        vote("c", "d", "left"),
        vote("a", "c", "left"),
    ] * 9
    scores = {"a": 0.9, "b": 0.8, "c": 0.2, "d": 0.1}
    assert by_both(strengths_of(CELLS, votes), scores) == ["b", "a", "c", "d"]
    assert by_both(strengths_of(CELLS, votes), {"d": 1.0, "b": float("nan")}) == ["d"]


def test_voters_are_told_apart_and_bad_pictures_counted() -> None:
    votes = [vote("a", "b", "left"), vote("a", "c", "both bad", "jo"), vote("b", "a", "both bad", "jo")]
    assert voters_of(votes) == ["mira", "jo"]
    assert of_voter(votes, "jo") == votes[1:]
    assert of_voter(votes, None) == votes
    assert bad_shares(votes) == {"a": (2, 3), "b": (1, 2), "c": (1, 1)}
