"""The order of the cells: limits first, then identity; with an interval, ties and a reason for everything odd."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.evidence import CellFacts, Evidence
from eval.scores import BLEED, Scores, score
from eval.statistics import (
    Claim,
    claim,
    differences_to,
    holds_zero,
    intervals,
    resampling,
    within_sd,
)

WEAK_CEILING = 8
CLAIMED_DIFFERENCES = (0.02, 0.05)
# Cosines of float32 embeddings say nothing beyond this digit; rounding keeps the order free of the rows' positions.
ORDER_DIGITS = 6
JSON_DIGITS = 4


@dataclass(frozen=True)
class Limits:
    """What a cell may cost. Each is a share of something measured in the same grid; None switches it off.

    `face_rate`: of the base model's own; broken when the whole Wilson interval is below. `prompt`: of the prompt
    contrast, that may be lost. `bleed`, `copy`: of the way from the floor to the ceiling, that may be gone.
    """

    face_rate: float | None = 0.9
    prompt: float | None = 0.5
    bleed: float | None = 0.25
    copy: float | None = 0.15


@dataclass(frozen=True)
class RankedCell:
    """One row of the ranking. A figure that was not measured is None, and `flags` says why."""

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
    face_rate: float
    face_rate_low: float
    face_rate_high: float
    bleed: float | None
    copy: float | None
    spread: float | None
    pictures: int
    failed: int
    broken: tuple[str, ...]
    tied_with_best: bool
    flags: tuple[str, ...]

    @property
    def te(self) -> float | None:
        """The weight on the text encoder, or None where two have different ones."""
        return self.te1 if self.te1 == self.te2 else None

    @property
    def weights(self) -> str:
        te = f"te={self.te1:g}" if self.te is not None else f"te1={self.te1:g},te2={self.te2:g}"
        return f"unet={self.unet:g},{te}"

    def as_json(self) -> dict[str, object]:
        """The row of `rank --json`: its keys are a contract."""
        figures = ("identity", "identity_low", "identity_high", "identity_normalised", "prompt", "face_rate")
        return {
            "cell": self.cell,
            "checkpoint": self.checkpoint,
            "unet": self.unet,
            "te": self.te,
            **({} if self.te is not None else {"te1": self.te1, "te2": self.te2}),
            "also": self.also,
            **{name: _rounded(getattr(self, name)) for name in (*figures, "bleed", "copy", "spread")},
            "pictures": self.pictures,
            "tied_with_best": self.tied_with_best,
            "flags": list(self.flags),
        }


def rank(evidence: Evidence, limits: Limits | None = None) -> list[RankedCell]:
    """All cells, best first: fewest limits broken, then identity. Raises UnscorableError.

    The order does not depend on that of the rows. `tied_with_best`: breaks no more limits than the first row, and the
    95 % interval of the paired difference to it holds 0.
    """
    scores = score(evidence)
    limits = limits or Limits()
    broken = limits_broken(scores, limits)
    order = _order(evidence, scores.identity, broken)
    best = order[0]
    resampled = resampling(scores.prompts)
    around = intervals(scores.counted, resampled)
    tied = holds_zero(differences_to(best, scores.counted, resampled))
    tied &= np.array([len(reasons) <= len(broken[best]) for reasons in broken])
    cautions = _cautions(evidence, scores, limits)
    changes = _other_winners(evidence, scores, broken, best)
    twins = {at for at in order if evidence.cells[at].id == evidence.cells[best].id}
    return [
        _row(
            evidence,
            scores,
            at,
            interval=around[at],
            broken=broken[at],
            tied=bool(tied[at]),
            shared=[*(changes if at in twins else ()), *cautions],
        )
        for at in order
    ]


def limits_broken(scores: Scores, limits: Limits) -> list[list[str]]:
    """What each cell breaks, in words with figures."""
    return [_broken(scores, limits, at) for at in range(len(scores.raw))]


def claims(evidence: Evidence, ranked: Sequence[RankedCell]) -> list[Claim]:
    """How many pairs differences of 0.02 and 0.05 need, given the median paired SD to the best seen in this grid."""
    scores = score(evidence)
    ids = [cell.id for cell in evidence.cells]
    best = ids.index(ranked[0].cell)
    others = [at for at, id_ in enumerate(ids) if id_ != ids[best]]
    spreads = within_sd(scores.counted[others] - scores.counted[best], scores.prompts)
    known = spreads[np.isfinite(spreads)]
    return [claim(difference, float(np.median(known))) for difference in CLAIMED_DIFFERENCES] if len(known) else []


def _order(evidence: Evidence, identity: np.ndarray, broken: Sequence[Sequence[str]]) -> list[int]:
    def key(at: int) -> tuple[int, float, str, str]:
        value = -math.inf if np.isnan(identity[at]) else round(float(identity[at]), ORDER_DIGITS)
        return len(broken[at]), -value, evidence.cells[at].id, evidence.cells[at].checkpoint

    return sorted(range(len(evidence.cells)), key=key)


def _row(
    evidence: Evidence,
    scores: Scores,
    at: int,
    *,
    interval: np.ndarray,
    broken: list[str],
    tied: bool,
    shared: Sequence[str],
) -> RankedCell:
    facts = evidence.cells[at]
    low, high = scores.face_rate_interval(at)
    return RankedCell(
        cell=facts.id,
        checkpoint=facts.checkpoint,
        epoch=facts.epoch,
        unet=facts.weights.unet,
        te1=facts.weights.te1,
        te2=facts.weights.te2,
        also=facts.also,
        identity=float(scores.identity[at]),
        identity_low=_known(interval[0]),
        identity_high=_known(interval[1]),
        identity_normalised=_known(scores.identity_normalised[at]),
        prompt=_known(scores.prompt[at]),
        face_rate=float(scores.face_rate[at]),
        face_rate_low=low,
        face_rate_high=high,
        bleed=_known(scores.bleed[at]),
        copy=_known(scores.copy[at]),
        spread=_known(scores.spread[at]),
        pictures=len(evidence.units),
        failed=int(evidence.failed[at].sum()),
        broken=tuple(broken),
        tied_with_best=tied,
        flags=(*broken, *_seen_in(evidence, scores, at), *shared),
    )


def _broken(scores: Scores, limits: Limits, at: int) -> list[str]:
    """The limits that a cell breaks, in words with figures."""
    found: list[str] = []
    low, high = scores.face_rate_interval(at)
    if limits.face_rate is not None and high < (least := limits.face_rate * scores.face_rate_control):
        found.append(
            f"face rate {scores.face_rate[at]:.2f} (95 % {low:.2f} to {high:.2f}) is below the limit {least:.2f}"
        )
    if limits.prompt is not None and scores.prompt[at] < (least := -limits.prompt * scores.prompt_contrast):
        found.append(
            f"prompt {scores.prompt[at]:+.3f} is below the limit {least:+.3f}: it no longer does what is asked"
        )
    if limits.bleed is not None and scores.bleed[at] > (most := limits.bleed * scores.span):
        found.append(f"bleed {scores.bleed[at]:+.3f} is above the limit {most:+.3f}: other people take on the face")
    if limits.copy is not None and scores.copy[at] > (most := limits.copy * scores.span):
        found.append(f"copy {scores.copy[at]:+.3f} is above the limit {most:+.3f}: it repeats the training pictures")
    return found


def _seen_in(evidence: Evidence, scores: Scores, at: int) -> list[str]:
    """What is odd about one cell's pictures."""
    faceless = int((~scores.faces_seen[at]).sum())
    several = int((evidence.face_counts[at] > 1).sum())
    failed = int(evidence.failed[at].sum())
    found = {
        f"no face in {_pictures(faceless)} of the subject: counted at the floor": faceless,
        f"several faces in {_pictures(several)}: the largest was scored": several,
        f"{failed} failed {'picture' if failed == 1 else 'pictures'} (black, flat, not finite or not made)": failed,
    }
    return [text for text, count in found.items() if count]


def _cautions(evidence: Evidence, scores: Scores, limits: Limits) -> list[str]:
    """What weakens every row alike, and what was not measured, with the reason."""
    references = len(evidence.references)
    one_seed = len(set(scores.prompts)) == len(scores.prompts)
    no_span, no_contrast = math.isnan(scores.span), not scores.prompt_contrast > 0
    unknown: list[tuple[bool, str]] = [
        (len(scores.prompts) < 2, "intervals not measured: one (prompt, seed) only"),
        (references < 2, "identity_normalised not measured: a ceiling needs two held-out references"),
        (
            2 <= references < WEAK_CEILING,
            f"the ceiling is weak: {references} held-out references, {WEAK_CEILING} or more make it firm",
        ),
        (
            references >= 2 and no_span,
            "identity_normalised not measured: the base model is as alike as the references are to each other",
        ),
        (
            scores.face_rate_control == 0,
            "floor not measured: no face in any of the base model's own pictures, counted at 0",
        ),
        (bool(np.isnan(scores.prompt).all()), "prompt not measured: no CLIP embeddings"),
        (not len(evidence.where(BLEED)), "bleed not measured: no prompt without the trigger"),
        (
            bool(len(evidence.where(BLEED)) and np.isnan(scores.bleed).all()),
            "bleed not measured: no face in the base model's pictures of others",
        ),
        (not len(evidence.training), "copy not measured: no training faces were given"),
        (one_seed, "spread not measured: one seed a prompt"),
        (
            no_contrast and limits.prompt is not None,
            "prompt limit not applied: the base model's pictures do not tell the prompts apart",
        ),
        (
            no_span and (limits.bleed is not None or limits.copy is not None),
            "bleed and copy limits not applied: no floor-to-ceiling scale",
        ),
    ]
    return [text for holds, text in unknown if holds]


def _other_winners(evidence: Evidence, scores: Scores, broken: Sequence[Sequence[str]], best: int) -> list[str]:
    """Which cell would be first if faceless pictures were dropped, or counted 0, where it is another."""
    missing = ~scores.faces_seen
    seen = np.where(missing, 0.0, scores.raw)
    with_face = np.where(missing.all(1), np.nan, scores.faces_seen.sum(1))
    policies: dict[str, np.ndarray] = {"were left out": seen.sum(1) / with_face, "counted 0": seen.mean(1)}
    found: list[str] = []
    for policy, identity in policies.items():
        first = evidence.cells[_order(evidence, identity, broken)[0]]
        if first.id != evidence.cells[best].id:
            found.append(f"the winner hangs on faceless pictures: if they {policy}, {_named(first)} would be first")
    return found


def _named(facts: CellFacts) -> str:
    return f"{facts.checkpoint} at {facts.weights}" + (f" with {facts.also}" if facts.also else "")


def _pictures(count: int) -> str:
    return f"{count} picture" if count == 1 else f"{count} pictures"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _rounded(value: float | None) -> float | None:
    # Adding 0.0 turns a rounded -0.0 into 0.0.
    return None if value is None else round(value, JSON_DIGITS) + 0.0
