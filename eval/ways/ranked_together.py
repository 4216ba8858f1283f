"""One ranking of cells that are drawn several ways: base models, samplers, steps, CFG.

What hangs on the base model's own pictures (floor, gain, prompt, bleed, copying, limits, flags) is told within each
way, which has its own. Likeness to the subject's references is one scale, and all ways draw the same prompts and seeds:
so the order, what stands beside the first row, and what another way costs are told among all rows, in pairs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.ranking.evidence import CellFacts, Evidence
from eval.ranking.limits import Limits
from eval.ranking.ranked_cell import Elsewhere, RankedCell
from eval.ranking.ranking import order_of, rank_scored
from eval.ranking.scores import Scored, Scores, expected_of, scored
from eval.ranking.trends import NOTICEABLE
from eval.request.settings import Setting
from eval.statistics.contrasts import PictureScores, difference
from eval.statistics.intervals import contains_zero, differences_to, intervals, resampling
from eval.statistics.pareto import pareto_front
from eval.statistics.shrinkage import ExpectedMeans
from eval.statistics.standing import standings, surely_behind
from eval.ways.joined_evidence import joined
from eval.wording.trend_words import IDENTITY
from foundation.wording.said import say

HIGHER = say("likeness is higher on {way} than on {other}, all else the same: {figure}")
LOWER = say("likeness is lower on {way} than on {other}, all else the same: {figure}")


def rank_together(parts: Sequence[Evidence], limits: Limits) -> tuple[Evidence, list[RankedCell]]:
    """All rows of `parts`, one of each way to draw, best first; and their evidence, with the first row's control.

    Of one way it is `rank`. Raises UnscorableError.
    """
    shown, rows = rank_scored_together([scored(part) for part in parts], limits)
    return parts[0] if len(parts) == 1 else joined(parts, shown), rows


def rank_scored_together(parts: Sequence[Scored], limits: Limits) -> tuple[int, list[RankedCell]]:
    """The same by what was found once: the rows, and which way the first of them is drawn."""
    if len(parts) == 1:
        return 0, rank_scored(parts[0], limits)
    rows = [row for part in parts for row in _in_place(part.evidence, rank_scored(part, limits))]
    ways = np.array([way for way, part in enumerate(parts) for _ in part.evidence.cells])
    cells = [cell for part in parts for cell in part.evidence.cells]
    known = _Known(cells, ways, rows, [part.scores for part in parts], limits)
    order = order_of(cells, known.identity, [row.broken for row in rows])
    return int(ways[order[0]]), known.judged(order)


def _in_place(part: Evidence, ranked: Sequence[RankedCell]) -> list[RankedCell]:
    """The rows in the order of the evidence's. Rows that are one cell may be called alike, and are taken in turn."""
    found: dict[tuple[str, str], list[RankedCell]] = defaultdict(list)
    for row in ranked:
        found[row.cell, row.name].append(row)
    return [found[cell.id, cell.name].pop(0) for cell in part.cells]


@dataclass(frozen=True)
class _Known:
    """What each way tells of its own rows: `ways` (C,), which one a row is of; `scores` one for each way."""

    cells: Sequence[CellFacts]
    ways: np.ndarray
    rows: Sequence[RankedCell]
    scores: Sequence[Scores]
    limits: Limits

    @property
    def prompts(self) -> list[str]:
        """The prompts (S,) of the subject's units, the same in every way."""
        return self.scores[0].prompts

    @property
    def counted(self) -> np.ndarray:
        """Likeness (C, S), no picture below the floor of its own way."""
        return np.concatenate([one.counted for one in self.scores])

    @property
    def identity(self) -> np.ndarray:
        """The mean likeness (C,)."""
        return self.counted.mean(1)

    def judged(self, order: Sequence[int]) -> list[RankedCell]:
        """The rows in that order, with what is told among all of them."""
        best, counted = order[0], self.counted
        faults = np.array([len(row.broken) for row in self.rows])
        expected = expected_of(self.cells, counted, self.prompts)
        gained = expected_of(self.cells, np.concatenate([one.gains for one in self.scores]), self.prompts)
        differences = expected.differences_to(best)
        behind = surely_behind(best, counted, self.prompts)
        told = standings(best, differences, behind, faults > 0, self.limits.difference)
        near = differences_to(best, counted, resampling(self.prompts))
        tied = contains_zero(near) & (faults <= faults[best])
        again = expected.first_again(faults == faults[best])
        front = self._front()
        elsewhere, between = self._elsewhere(), self._between(int(self.ways[best]))
        return [
            replace(
                self.rows[at],
                place=place,
                **self._expected(expected, at),
                **self._gained(gained, at),
                tied_with_best=bool(tied[at]),
                standing=told[at],
                difference_low=_known(differences[at, 0]),
                difference_high=_known(differences[at, 1]),
                first_again=_known(again[at]),
                pareto_front=bool(front[at]),
                trends=(*between, *self._trends(at)),
                elsewhere=elsewhere[at],
            )
            for place, at in enumerate(order, start=1)
        ]

    def _trends(self, at: int) -> list[str]:
        """What its own way shows; where ways differ in a guest's class word alone, there is none to name."""
        on = str(self.cells[at].on)
        return [say("on {way}: {trend}", way=on, trend=text) if on else text for text in self.rows[at].trends]

    def _expected(self, expected: ExpectedMeans, at: int) -> dict[str, float | None]:
        own, low_high = self.scores[int(self.ways[at])], np.clip(expected.intervals[at], -1.0, 1.0)
        return {
            "expected": float(expected.means[at]),
            "identity_low": _known(low_high[0]),
            "identity_high": _known(low_high[1]),
            "expected_normalised": _known((expected.means[at] - own.floor) / own.span),
        }

    def _gained(self, gained: ExpectedMeans, at: int) -> dict[str, object]:
        """The gain on the row's own base model. Where one way shows nothing to gain on, each keeps what it tells."""
        row, (low, high) = self.rows[at], gained.intervals[at]
        if np.isnan(gained.means[at]) or row.gain_that_matters is None:
            return {}
        return {
            "gain": float(gained.means[at]),
            "gain_low": _known(low),
            "gain_high": _known(high),
            "worth_taking": bool(low > row.gain_that_matters),
        }

    def _front(self) -> np.ndarray:
        merits = [np.concatenate([getattr(one, name) for one in self.scores]) for name in ("identity", "prompt")]
        costs = [np.concatenate([getattr(one, name) for one in self.scores]) for name in ("bleed", "copy")]
        return pareto_front(merits, costs)

    def _blocks(self) -> list[Hashable]:
        """All of a cell but how it is drawn."""
        return [(cell.checkpoint, cell.weights, cell.also) for cell in self.cells]

    def _elsewhere(self) -> list[tuple[Elsewhere, ...]]:
        """Each cell drawn the other ways: paired differences, those of one row holding at once."""
        same: dict[Hashable, list[int]] = defaultdict(list)
        for at, block in enumerate(self._blocks()):
            same[block].append(at)
        pairs = [
            (at, other)
            for group in same.values()
            for at in group
            for other in group
            if self.ways[other] != self.ways[at]
        ]
        if not pairs:
            return [() for _ in self.cells]
        here, there = np.array(pairs).T
        apart = self.counted[there] - self.counted[here]
        ends = intervals(apart, resampling(self.prompts), len(self.scores) - 1)
        found: dict[int, list[Elsewhere]] = defaultdict(list)
        for (at, other), mean, (low, high) in zip(pairs, apart.mean(1), ends, strict=True):
            found[at].append(Elsewhere(self.cells[other].on, float(mean), _known(low), _known(high)))
        return [tuple(found[at]) for at in range(len(self.cells))]

    def _between(self, best: int) -> list[str]:
        """What another way does to likeness in all cells together, beside the first row's, where it is sure."""
        figure = PictureScores(IDENTITY, self.counted, self.prompts)
        others = [way for way in range(len(self.scores)) if way != best]
        said: list[str] = []
        for way in others:
            found = figure.estimate(difference(self._blocks(), self.ways == way, self.ways == best), len(others))
            if found.sign and abs(found.value) >= NOTICEABLE:
                told = HIGHER if found.sign > 0 else LOWER
                said.append(told.with_values(way=self._called(way), other=self._called(best), figure=str(found)))
        return said

    def _called(self, way: int) -> Setting:
        return self.cells[int(np.flatnonzero(self.ways == way)[0])].on


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
