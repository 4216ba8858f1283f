"""The order of the cells: limits first, then identity; with an interval, ties and a reason for everything odd."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.ranking.columns import measure_all
from eval.ranking.evidence import CellFacts, Evidence
from eval.ranking.flags import cell_flags, grid_flags
from eval.ranking.limits import Limits, applicable, limits_broken
from eval.ranking.pareto import pareto_front
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import Scores, score
from eval.ranking.second_face_model import SecondModelFigures, second_opinion
from eval.ranking.statistics import (
    PairsNeeded,
    chances_of_best,
    contains_zero,
    differences_to,
    intervals,
    pairs_needed,
    resampling,
    within_sd,
)
from eval.ranking.trends import Trend, trends
from eval.request.cells import CONTROL

DIFFERENCES_TO_TELL = (0.02, 0.05)
# Cosines of float32 embeddings say nothing beyond this digit; rounding keeps the order free of the rows' positions.
ORDER_DIGITS = 6
NAMED_TWINS = 3


def rank(evidence: Evidence, limits: Limits | None = None) -> list[RankedCell]:
    """All cells, best first: fewest limits broken, then identity. Raises UnscorableError.

    The order does not depend on that of the rows. `tied_with_best`: breaks no more limits than the first row, and the
    95 % interval of the paired difference to it holds 0.
    """
    scores = score(evidence)
    limits = applicable(limits or Limits(), evidence)
    broken = limits_broken(scores, limits)
    order = _order(evidence, scores.identity, broken)
    best = order[0]
    resampled = resampling(scores.prompts)
    faults = np.array([len(reasons) for reasons in broken])
    names = [cell.name for cell in evidence.cells]
    second = second_opinion(evidence, scores, best, faults == faults[best], names)
    judged = _Judged(
        {at: place for place, at in enumerate(order, start=1)},
        intervals(scores.counted, resampled),
        broken,
        contains_zero(differences_to(best, scores.counted, resampled)) & (faults <= faults[best]),
        chances_of_best(scores.counted, faults == faults[best], scores.prompts),
        pareto_front(scores),
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
    """What is known of the cells beside each other: identity's interval (C, 2), and a value each (C,)."""

    places: Mapping[int, int]
    interval: np.ndarray
    broken: Sequence[Sequence[str]]
    tied: np.ndarray
    chance: np.ndarray
    front: np.ndarray
    trends: Sequence[Trend]
    measured: Mapping[str, np.ndarray]
    second: Sequence[SecondModelFigures | None]
    limits: Limits


def pairs_to_tell_rows_apart(evidence: Evidence, ranked: Sequence[RankedCell]) -> list[PairsNeeded]:
    """How many pairs differences of 0.02 and 0.05 need, given the median paired SD to the best seen in this grid."""
    scores = score(evidence)
    ids = [cell.id for cell in evidence.cells]
    best = ids.index(ranked[0].cell)
    others = [at for at, id_ in enumerate(ids) if id_ != ids[best]]
    spreads = within_sd(scores.counted[others] - scores.counted[best], scores.prompts)
    known = spreads[np.isfinite(spreads)]
    if not len(known):
        return []
    return [pairs_needed(difference, float(np.median(known))) for difference in DIFFERENCES_TO_TELL]


def _twins(cells: Sequence[CellFacts]) -> list[list[str]]:
    """What to say of rows (C,) that are one cell: they are tied wherever they stand, and the names do not show it."""
    of: dict[str, list[str]] = {}
    for cell in cells:
        of.setdefault(cell.id, []).append(cell.name)
    found: list[list[str]] = []
    for cell in cells:
        others = sorted(of[cell.id])
        others.remove(cell.name)
        does = "nothing acts, as in" if cell.id == CONTROL else "the same tensors as"
        more = f" and {len(others) - NAMED_TWINS} more" if len(others) > NAMED_TWINS else ""
        found.append([f"{does} {', '.join(others[:NAMED_TWINS])}{more}: tied with it"] if others else [])
    return found


def _order(evidence: Evidence, identity: np.ndarray, broken: Sequence[Sequence[str]]) -> list[int]:
    def key(at: int) -> tuple[int, float, str, str]:
        value = -math.inf if np.isnan(identity[at]) else round(float(identity[at]), ORDER_DIGITS)
        return len(broken[at]), -value, evidence.cells[at].id, evidence.cells[at].checkpoint

    return sorted(range(len(evidence.cells)), key=key)


def _row(evidence: Evidence, scores: Scores, judged: _Judged, at: int, shared: Sequence[str]) -> RankedCell:
    facts = evidence.cells[at]
    low, high = scores.face_rate_interval(at)
    of_faces = evidence.subject == "face"
    return RankedCell(
        place=judged.places[at],
        cell=facts.id,
        checkpoint=facts.checkpoint,
        epoch=facts.epoch,
        unet=facts.weights.unet,
        te1=facts.weights.te1,
        te2=facts.weights.te2,
        also=facts.also,
        identity=float(scores.identity[at]),
        identity_low=_known(judged.interval[at, 0]),
        identity_high=_known(judged.interval[at, 1]),
        identity_normalised=_known(scores.identity_normalised[at]),
        prompt=_known(scores.prompt[at]),
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
        probability_best=_known(judged.chance[at]),
        pareto_front=bool(judged.front[at]),
        measured={key: _known(values[at]) for key, values in judged.measured.items()},
        flags=(*judged.broken[at], *cell_flags(evidence, scores, judged.limits, at), *shared),
        trends=tuple(one.text for one in judged.trends if at in one.cells),
        second=judged.second[at],
        scored_by={"likeness": evidence.face_model, "clip": evidence.clip_model},
        licences=evidence.licences,
    )


def _other_winners(evidence: Evidence, scores: Scores, broken: Sequence[Sequence[str]], best: int) -> list[str]:
    """Which cell would be first if pictures that count at the floor counted otherwise, where it is another."""
    missing = ~scores.faces_seen
    seen = np.where(missing, 0.0, scores.counted)
    with_face = np.where(missing.all(1), np.nan, scores.faces_seen.sum(1))
    words = evidence.words
    lost = f"{words.lost}: if they"
    policies: dict[str, np.ndarray] = {
        f"{lost} were left out": seen.sum(1) / with_face,
        f"{lost} counted 0": seen.mean(1),
        f"{words.several_seen} less like the subject than the base model's: if they counted as they are": np.where(
            missing, scores.counted, scores.raw
        ).mean(1),
    }
    found: list[str] = []
    for policy, identity in policies.items():
        first = evidence.cells[_order(evidence, identity, broken)[0]]
        if first.id != evidence.cells[best].id:
            found.append(f"the winner hangs on {policy}, {first.name} would be first")
    return found


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
