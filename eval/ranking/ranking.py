"""The order of the cells: limits first, then identity; with an interval, ties and a reason for everything odd."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.ranking.columns import measure_all
from eval.ranking.evidence import CellFacts, Evidence
from eval.ranking.flags import cell_flags, grid_flags
from eval.ranking.limits import Limits, applicable, limits_broken, perhaps_broken
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import Scored, Scores, scored
from eval.ranking.second_face_model import SecondModelFigures, second_opinion
from eval.ranking.trends import Trend, trends
from eval.request.cells import CONTROL
from eval.statistics.intervals import contains_zero, differences_to, resampling, strata, within_sd
from eval.statistics.shrinkage import ExpectedMeans
from eval.statistics.standing import Standing, moderated, pairs_to_settle, standings, surely_behind
from foundation.wording.said import Said, listed, say

# What a row must gain on the base model to be worth taking, as a share of the way to the subject's own pictures.
LEAST_SHARE_GAINED = 0.1
# Cosines of float32 embeddings say nothing beyond this digit; rounding keeps the order free of the rows' positions.
ORDER_DIGITS = 6
NAMED_TWINS = 3


def rank(evidence: Evidence, limits: Limits | None = None) -> list[RankedCell]:
    """All cells, best first: fewest limits broken, then identity. Raises UnscorableError."""
    return rank_scored(scored(evidence), limits)


def rank_scored(graded: Scored, limits: Limits | None = None) -> list[RankedCell]:
    """The same by what was found once, as for other limits.

    The order does not depend on that of the rows. What is said of other seeds (`expected`, its interval, `standing`,
    `gain`) allows for the first row's luck.
    """
    evidence, scores = graded.evidence, graded.scores
    limits = applicable(limits or Limits(), evidence)
    broken = limits_broken(scores, limits)
    order = order_of(evidence.cells, scores.identity, broken)
    best = order[0]
    faults = np.array([len(reasons) for reasons in broken])
    names = [cell.name for cell in evidence.cells]
    second = second_opinion(evidence, scores, graded.second, best, faults == faults[best], names)
    expected = graded.expected
    told_apart = surely_behind(best, scores.counted, scores.prompts)
    differences = expected.differences_to(best)
    judged = _Judged(
        {at: place for place, at in enumerate(order, start=1)},
        expected,
        broken,
        [perhaps_broken(scores, limits, at) for at in range(len(broken))],
        contains_zero(differences_to(best, scores.counted, resampling(scores.prompts))) & (faults <= faults[best]),
        differences,
        standings(best, differences, told_apart, faults > 0, limits.difference),
        graded.gained,
        gain_that_matters(scores, limits),
        expected.first_again(faults == faults[best]),
        graded.front,
        trends(evidence, scores, limits),
        measure_all(evidence, scores),
        second.by_cell if second else [None for _ in order],
        limits,
    )
    common = grid_flags(evidence, scores, limits)
    changes = [*_other_winners(evidence, scores, broken, best), *(second.about_best if second else [])]
    twins, first = _twins(evidence.cells), evidence.cells[best].id
    own = second.flags if second else [list[str]() for _ in order]
    of_first = [changes if cell.id == first else [] for cell in evidence.cells]
    return [_row(evidence, scores, judged, at, [*twins[at], *own[at], *of_first[at], *common]) for at in order]


@dataclass(frozen=True)
class _Judged:
    """What is known of the cells beside each other, a value each (C,); and the limits."""

    places: Mapping[int, int]
    expected: ExpectedMeans
    broken: Sequence[Sequence[str]]
    doubtful: Sequence[Sequence[str]]
    tied: np.ndarray
    differences: np.ndarray
    standings: Sequence[Standing]
    gained: ExpectedMeans
    gain_that_matters: float
    first_again: np.ndarray
    front: np.ndarray
    trends: Sequence[Trend]
    measured: Mapping[str, np.ndarray]
    second: Sequence[SecondModelFigures | None]
    limits: Limits


def gain_that_matters(scores: Scores, limits: Limits) -> float:
    """What a row must surely gain on the base model to be worth taking; NaN where there is nothing to gain on."""
    if np.isnan(scores.floor):
        return np.nan
    share = 0.0 if np.isnan(scores.span) else LEAST_SHARE_GAINED * scores.span
    return max(limits.difference, share)


def pairs_to_tell_rows_apart(scores: Scores, evidence: Evidence, ranked: Sequence[RankedCell]) -> int | None:
    """How many (prompt, seed) pairs settle all rows that cannot be told yet; None where that is not known."""
    untold = {row.cell: _difference(row) for row in ranked if row.standing == "cannot tell"}
    ids = [cell.id for cell in evidence.cells]
    at = [ids.index(cell) for cell in untold]
    freedom = len(scores.prompts) - len(strata(scores.prompts))
    if not untold or freedom <= 0:
        return None
    apart = scores.counted[at] - scores.counted[ids.index(ranked[0].cell)]
    variances, _ = moderated(within_sd(apart, scores.prompts) ** 2, freedom)
    return pairs_to_settle(np.array([*untold.values()]), np.sqrt(variances), ranked[0].difference_that_matters)


def _difference(row: RankedCell) -> tuple[float, float]:
    """The interval of a row's distance to the first."""
    low, high = row.difference_low, row.difference_high
    return (math.nan, math.nan) if low is None or high is None else (low, high)


def _twins(cells: Sequence[CellFacts]) -> list[list[str]]:
    """What to say of rows (C,) that are one cell: they score the same, and the names do not show it."""
    of: dict[str, list[str]] = {}
    for cell in cells:
        of.setdefault(cell.id, []).append(cell.name)
    found: list[list[str]] = []
    for cell in cells:
        others = sorted(of[cell.id])
        others.remove(cell.name)
        rows: str = listed(others[:NAMED_TWINS])
        if len(others) > NAMED_TWINS:
            rows = say("{names} and {count} more", names=rows, count=len(others) - NAMED_TWINS)
        nothing_acts = cell.id == CONTROL or not cell.acts
        as_in = say("nothing acts, as in {rows}: it scores the same", rows=rows)
        same = say("the same tensors as {rows}: it scores the same", rows=rows)
        found.append([as_in if nothing_acts else same] if others else [])
    return found


def order_of(cells: Sequence[CellFacts], identity: np.ndarray, broken: Sequence[Sequence[str]]) -> list[int]:
    """The rows, best first: fewest limits broken, then identity (C,)."""

    def key(at: int) -> tuple[int, float, str, str]:
        value = -math.inf if np.isnan(identity[at]) else round(float(identity[at]), ORDER_DIGITS)
        return len(broken[at]), -value, cells[at].id, cells[at].checkpoint

    return sorted(range(len(cells)), key=key)


def _row(evidence: Evidence, scores: Scores, judged: _Judged, at: int, shared: Sequence[str]) -> RankedCell:
    facts, of_faces = evidence.cells[at], evidence.subject == "face"
    low, high = scores.face_rate_interval(at)
    likely = np.clip(judged.expected.intervals[at], -1.0, 1.0)
    gain_low = judged.gained.intervals[at, 0]
    return RankedCell(
        place=judged.places[at],
        cell=facts.id,
        checkpoint=facts.checkpoint,
        epoch=facts.epoch,
        step=facts.step,
        unet=facts.weights.unet,
        te1=facts.weights.te1,
        te2=facts.weights.te2,
        also=facts.also,
        identity=float(scores.identity[at]),
        expected=float(judged.expected.means[at]),
        identity_low=_known(likely[0]),
        identity_high=_known(likely[1]),
        identity_normalised=_known(scores.identity_normalised[at]),
        expected_normalised=_known((judged.expected.means[at] - scores.floor) / scores.span),
        prompt=_known(scores.prompt[at]),
        prompt_low=_known(scores.prompt_interval[at, 0]),
        prompt_high=_known(scores.prompt_interval[at, 1]),
        face_rate=float(scores.face_rate[at]) if of_faces else None,
        face_rate_low=low if of_faces else None,
        face_rate_high=high if of_faces else None,
        bleed=_known(scores.bleed[at]),
        bleed_low=_known(scores.bleed_interval[at, 0]),
        bleed_high=_known(scores.bleed_interval[at, 1]),
        copy=_known(scores.copy[at]),
        copy_low=_known(scores.copying.interval[at, 0]),
        copy_high=_known(scores.copying.interval[at, 1]),
        spread=_known(scores.spread[at]),
        pictures=len(evidence.units),
        failed=int(evidence.failed[at].sum()),
        broken=tuple(judged.broken[at]),
        tied_with_best=bool(judged.tied[at]),
        standing=judged.standings[at],
        difference_low=_known(judged.differences[at, 0]),
        difference_high=_known(judged.differences[at, 1]),
        gain=_known(judged.gained.means[at]),
        gain_low=_known(gain_low),
        gain_high=_known(judged.gained.intervals[at, 1]),
        gain_that_matters=_known(judged.gain_that_matters),
        worth_taking=None if np.isnan(scores.floor) else bool(gain_low > judged.gain_that_matters),
        difference_that_matters=judged.limits.difference,
        first_again=_known(judged.first_again[at]),
        pareto_front=bool(judged.front[at]),
        measured={key: _known(values[at]) for key, values in judged.measured.items()},
        flags=(*judged.broken[at], *cell_flags(evidence, scores, at), *judged.doubtful[at], *shared),
        trends=tuple(one.text for one in judged.trends if at in one.cells),
        second=judged.second[at],
        scored_by={"likeness": evidence.face_model, "clip": evidence.clip_model},
        licences=evidence.licences,
        beyond=facts.weights.beyond,
        on=facts.on,
        guest=facts.guest,
        doubtful=tuple(judged.doubtful[at]),
    )


def _other_winners(evidence: Evidence, scores: Scores, broken: Sequence[Sequence[str]], best: int) -> list[str]:
    """Which cell would be first if pictures that count at the floor counted otherwise, where it is another."""
    missing = ~scores.faces_seen
    seen = np.where(missing, 0.0, scores.counted)
    with_face = np.where(missing.all(1), np.nan, scores.faces_seen.sum(1))
    words = evidence.words
    lost = words.lost
    policies: dict[Said, np.ndarray] = {
        say("the winner hangs on {lost}: if they were left out, {row} would be first", lost=lost): (
            seen.sum(1) / with_face
        ),
        say("the winner hangs on {lost}: if they counted 0, {row} would be first", lost=lost): seen.mean(1),
        say(
            "the winner hangs on {seen} less like the subject than the base model's: if they counted as they are, "
            "{row} would be first",
            seen=words.several_seen,
        ): np.where(missing, scores.counted, scores.raw).mean(1),
    }
    found: list[str] = []
    for policy, identity in policies.items():
        first = evidence.cells[order_of(evidence.cells, identity, broken)[0]]
        if first.id != evidence.cells[best].id:
            found.append(policy.with_values(row=first.name))
    return found


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
