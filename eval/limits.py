"""What a cell may cost: limits that come before identity, each a share of something measured in the same grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eval.evidence import Evidence
from eval.scores import Scores


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


def applicable(limits: Limits, evidence: Evidence) -> Limits:
    """The limits without the face rate's, where the subject has no face."""
    return limits if evidence.subject == "face" else replace(limits, face_rate=None)


def limits_broken(scores: Scores, limits: Limits) -> list[list[str]]:
    """What each cell breaks, in words with figures."""
    return [_broken(scores, limits, at) for at in range(len(scores.raw))]


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
        taken_on = scores.words.said("{others} take on {looks}")
        found.append(f"bleed {scores.bleed[at]:+.3f} is above the limit {most:+.3f}: {taken_on}")
    if limits.copy is not None and scores.copy[at] > (most := limits.copy * scores.span):
        found.append(f"copy {scores.copy[at]:+.3f} is above the limit {most:+.3f}: it repeats the training pictures")
    return found
