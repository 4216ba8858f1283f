"""The order of the cells: limits first, then identity; with an interval, ties and a reason for everything odd."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.ranking.evidence import CellFacts, Evidence
from eval.ranking.flags import flags_of, seen_in
from eval.ranking.limits import Limits, applicable, limits_broken
from eval.ranking.pareto import pareto_front
from eval.ranking.scores import Scores, score
from eval.ranking.second_face_model import Opinion, second_opinion
from eval.ranking.statistics import (
    Claim,
    chances_of_best,
    claim,
    differences_to,
    holds_zero,
    intervals,
    resampling,
    within_sd,
)
from eval.ranking.trends import Trend, trends
from eval.request.cells import CONTROL

CLAIMED_DIFFERENCES = (0.02, 0.05)
# Cosines of float32 embeddings say nothing beyond this digit; rounding keeps the order free of the rows' positions.
ORDER_DIGITS = 6
JSON_DIGITS = 4
NAMED_TWINS = 3


@dataclass(frozen=True)
class RankedCell:
    """One row of the ranking. A figure that was not measured is None, and `flags` says why.

    `probability_best`: in what share of other draws of seeds it would be first (`chances_of_best`). `pareto_front`: no
    other row beats it in everything. `trends`: what the grid shows over epochs and weights that concerns this row.
    `second`: what a second face model says. `scored_by`: names and hashes of the models, `licences` theirs by name.
    """

    cell: str
    checkpoint: str
    epoch: int | None
    unet: float
    te1: float
    te2: float
    also: str
    identity: float
    identity_low: float | None
    identity_high: float | None
    identity_normalised: float | None
    prompt: float | None
    face_rate: float | None
    face_rate_low: float | None
    face_rate_high: float | None
    bleed: float | None
    copy: float | None
    spread: float | None
    pictures: int
    failed: int
    broken: tuple[str, ...]
    tied_with_best: bool
    probability_best: float | None
    pareto_front: bool
    flags: tuple[str, ...]
    trends: tuple[str, ...]
    second: Opinion | None
    scored_by: Mapping[str, str]
    licences: Mapping[str, str]

    @property
    def te(self) -> float | None:
        """The weight on the text encoder, or None where two have different ones."""
        return self.te1 if self.te1 == self.te2 else None

    @property
    def weights(self) -> str:
        te = f"te={self.te1:g}" if self.te is not None else f"te1={self.te1:g},te2={self.te2:g}"
        return f"unet={self.unet:g},{te}"

    @property
    def clip_likeness(self) -> str:
        """The CLIP by which likeness was measured, "" where it was a face model."""
        return self.scored_by["clip"] if self.face_rate is None else ""

    def as_json(self) -> dict[str, object]:
        """The row of `rank --json`: its keys are a contract."""
        figures = ("identity", "identity_low", "identity_high", "identity_normalised", "prompt")
        faces = ("face_rate", "face_rate_low", "face_rate_high")
        return {
            "cell": self.cell,
            "checkpoint": self.checkpoint,
            "unet": self.unet,
            "te": self.te,
            **({} if self.te is not None else {"te1": self.te1, "te2": self.te2}),
            "also": self.also,
            **{name: _rounded(getattr(self, name)) for name in (*figures, *faces, "bleed", "copy", "spread")},
            "pictures": self.pictures,
            "tied_with_best": self.tied_with_best,
            "flags": list(self.flags),
            "probability_best": _rounded(self.probability_best),
            "pareto_front": self.pareto_front,
            "trends": list(self.trends),
            "second": self.second.as_json() if self.second else None,
            "scored_by": dict(self.scored_by),
            "licences": dict(self.licences),
        }


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
    judged = _Judged(
        intervals(scores.counted, resampled),
        broken,
        holds_zero(differences_to(best, scores.counted, resampled)) & (faults <= faults[best]),
        chances_of_best(scores.counted, faults == faults[best], scores.prompts),
        pareto_front(scores),
        trends(evidence, scores, limits),
    )
    names = [_named(cell) for cell in evidence.cells]
    second = second_opinion(evidence, scores, best, faults == faults[best], names)
    common = flags_of(evidence, scores, limits)
    changes = [*_other_winners(evidence, scores, broken, best), *(second.about_best if second else [])]
    twins, first = _twins(evidence.cells), evidence.cells[best].id
    own = second.flags if second else [[] for _ in order]
    of_first = [changes if cell.id == first else [] for cell in evidence.cells]
    rows = [_row(evidence, scores, judged, at, [*twins[at], *own[at], *of_first[at], *common]) for at in order]
    return [replace(row, second=second.of[at]) for row, at in zip(rows, order, strict=True)] if second else rows


@dataclass(frozen=True)
class _Judged:
    """What is known of the cells beside each other: identity's interval (C, 2), and a value each (C,)."""

    interval: np.ndarray
    broken: Sequence[Sequence[str]]
    tied: np.ndarray
    chance: np.ndarray
    front: np.ndarray
    trends: Sequence[Trend]


def claims(evidence: Evidence, ranked: Sequence[RankedCell]) -> list[Claim]:
    """How many pairs differences of 0.02 and 0.05 need, given the median paired SD to the best seen in this grid."""
    scores = score(evidence)
    ids = [cell.id for cell in evidence.cells]
    best = ids.index(ranked[0].cell)
    others = [at for at, id_ in enumerate(ids) if id_ != ids[best]]
    spreads = within_sd(scores.counted[others] - scores.counted[best], scores.prompts)
    known = spreads[np.isfinite(spreads)]
    return [claim(difference, float(np.median(known))) for difference in CLAIMED_DIFFERENCES] if len(known) else []


def _twins(cells: Sequence[CellFacts]) -> list[list[str]]:
    """What to say of rows (C,) that are one cell: they are tied wherever they stand, and the names do not show it."""
    of: dict[str, list[str]] = {}
    for cell in cells:
        of.setdefault(cell.id, []).append(_named(cell))
    found: list[list[str]] = []
    for cell in cells:
        others = sorted(of[cell.id])
        others.remove(_named(cell))
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
        copy=_known(scores.copy[at]),
        spread=_known(scores.spread[at]),
        pictures=len(evidence.units),
        failed=int(evidence.failed[at].sum()),
        broken=tuple(judged.broken[at]),
        tied_with_best=bool(judged.tied[at]),
        probability_best=_known(judged.chance[at]),
        pareto_front=bool(judged.front[at]),
        flags=(*judged.broken[at], *seen_in(evidence, scores, at), *shared),
        trends=tuple(one.text for one in judged.trends if at in one.cells),
        second=None,
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
            found.append(f"the winner hangs on {policy}, {_named(first)} would be first")
    return found


def _named(facts: CellFacts) -> str:
    return f"{facts.checkpoint} at {facts.weights}" + (f" with {facts.also}" if facts.also else "")


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _rounded(value: float | None) -> float | None:
    # Adding 0.0 turns a rounded -0.0 into 0.0.
    return None if value is None else round(value, JSON_DIGITS) + 0.0
