"""Likeness held against what it costs: what stands on the line is beaten by no row within the limits, in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from eval.ranking.ranked_cell import RankedCell
from eval.ranking.ranking import rank
from eval.reporting.trade_off import BLEED, PROMPT, Place, TradeOffPoint, trade_off_of
from synthetic_evidence import make_evidence

ROWS = rank(make_evidence([0.6] * 6, noise=0.03))
SMALL = st.integers(-3, 6).map(lambda one: one / 10)
FIGURES = st.lists(st.tuples(SMALL, SMALL, st.booleans()), min_size=3, max_size=6)


def rows_of(figures: Sequence[tuple[float, float, bool]], figure: str) -> list[RankedCell]:
    """Rows of these likenesses and costs, of which some break a limit; their other figures say the opposite."""
    other = {"bleed": "prompt", "prompt": "bleed"}[figure]
    return [
        replace(
            row,
            place=at + 1,
            identity=identity,
            broken=("planted",) if broken else (),
            pareto_front=not at % 2,
            **{figure: cost, other: None},
        )
        for at, (row, (identity, cost, broken)) in enumerate(zip(ROWS, figures, strict=False))
    ]


@given(FIGURES)
def test_nothing_on_the_line_is_beaten_in_both_and_all_else_is(figures: list[tuple[float, float, bool]]) -> None:
    found = trade_off_of(rows_of(figures, "bleed"))
    assert found is not None
    assert found.against == BLEED
    kept = [one for one in found.points if not one.row.broken]

    def is_beaten(one: TradeOffPoint) -> bool:
        return any(
            other.cost <= one.cost
            and other.row.identity >= one.row.identity
            and (other.cost, other.row.identity) != (one.cost, one.row.identity)
            for other in kept
        )

    for one in found.points[1:]:
        assert one.place is (Place.OVER if one.row.broken else Place.BEHIND if is_beaten(one) else Place.FRONT)
    assert found.points[0].place is Place.FIRST
    assert all(one.cost >= 0 for one in found.points)  # below 0 is chance


def test_where_no_bleed_was_measured_more_of_the_prompt_is_better() -> None:
    found = trade_off_of(rows_of([(0.9, 0.0, False), (0.8, 0.2, False), (0.7, 0.1, False)], "prompt"))
    assert found is not None
    assert found.against == PROMPT
    assert [one.place for one in found.points] == [Place.FIRST, Place.FRONT, Place.BEHIND]


def test_two_rows_make_no_picture() -> None:
    assert trade_off_of(rows_of([(0.9, 0.0, False), (0.8, 0.2, False)], "bleed")) is None
    assert trade_off_of([]) is None
