"""Likeness held against what it costs: which rows no other row beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from eval.ranking.ranked_cell import RankedCell
from eval.ranking.verdict import no_cost_below_zero
from eval.statistics.pareto import pareto_front

BLEED, PROMPT = "bleed (further left is better, below 0 counts as 0)", "prompt (further right is better)"
FEWEST = 3  # rows that make a picture


class Place(StrEnum):
    """What a row is there, in words: of these two figures alone, where the ranking's own front is of all of them."""

    FIRST = "first row"
    FRONT = "no row beats it in both"
    BEHIND = "beaten"
    OVER = "over a limit"


@dataclass(frozen=True)
class TradeOffPoint:
    """A row of the ranking, its figure (`cost`), and what it is there."""

    row: RankedCell
    cost: float
    place: Place


@dataclass(frozen=True)
class TradeOff:
    """What likeness is held against (`against`, BLEED or PROMPT), and the rows that have it, in their order."""

    against: str
    points: tuple[TradeOffPoint, ...]


def trade_off_of(ranked: Sequence[RankedCell]) -> TradeOff | None:
    """Against bleed where it was measured, else against the prompt; None where fewer than three rows have either.

    A row over a limit neither is on the front nor takes another from it.
    """
    for against, costs in (
        (BLEED, [no_cost_below_zero(row.bleed) for row in ranked]),
        (PROMPT, [row.prompt for row in ranked]),
    ):
        there = [(row, cost) for row, cost in zip(ranked, costs, strict=True) if cost is not None]
        if len(there) >= FEWEST:
            front = _front(against, [(row, cost) for row, cost in there if not row.broken])
            points = (TradeOffPoint(row, cost, _place_of(row, ranked[0], front)) for row, cost in there)
            return TradeOff(against, tuple(points))
    return None


def _front(against: str, kept: Sequence[tuple[RankedCell, float]]) -> set[int]:
    """The places in the ranking of the rows that none of these beats in both."""
    if not kept:
        return set()
    likeness = np.array([row.identity for row, _ in kept])
    figure = np.array([cost for _, cost in kept])
    merits, costs = ([likeness], [figure]) if against == BLEED else ([likeness, figure], [])
    on_it = pareto_front(merits, costs)
    return {row.place for (row, _), is_on_it in zip(kept, on_it, strict=True) if is_on_it}


def _place_of(row: RankedCell, first: RankedCell, front: set[int]) -> Place:
    if row is first:
        return Place.FIRST
    return Place.OVER if row.broken else Place.FRONT if row.place in front else Place.BEHIND
