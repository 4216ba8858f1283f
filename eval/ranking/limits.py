"""What a cell may cost: limits that come before identity, each a share of something measured in the same grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eval.ranking.evidence import Evidence
from eval.ranking.scores import Scores
from eval.request.spec import LimitsSection
from eval.wording.figure_texts import with_interval


@dataclass(frozen=True)
class Limits:
    """What a cell may cost. Each is a share of something measured in the same grid; None switches it off.

    `face_rate`: of the base model's own; broken when the whole Wilson interval is below. `prompt`: of the prompt
    contrast, that may be lost. `bleed`: of the way from the floor to the ceiling, that may be gone. `copy`: of how far
    pictures of the subject look from one another, that may be gone towards the training pictures; the default lies
    between what planted copies and clean LoRAs showed (docs/scoring.md). A face that the base model shows and the cell
    has lost counts as if it had bled, or been a copy.

    `difference` is no limit: the least difference of likeness that matters to the user, a cosine.
    """

    face_rate: float | None = 0.9
    prompt: float | None = 0.5
    bleed: float | None = 0.25
    copy: float | None = 0.15
    difference: float = 0.02


def limits_of(section: LimitsSection) -> Limits:
    """The limits that a specification sets, "off" being none; the others keep their defaults."""
    named = section.model_dump(by_alias=True, exclude_none=True)
    return replace(Limits(), **{name: None if share == "off" else share for name, share in named.items()})


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
        rate = with_interval(scores.face_rate[at], low, high, ".2f")
        found.append(f"face rate {rate} is below the limit {least:.2f}")
    if limits.prompt is not None and scores.prompt[at] < (least := -limits.prompt * scores.prompt_contrast):
        found.append(
            f"prompt {scores.prompt[at]:+.3f} is below the limit {least:+.3f}: it no longer does what is asked"
        )
    if limits.bleed is not None and scores.bleed_at_worst[at] > (most := limits.bleed * scores.span):
        taken_on = scores.words.filled_in("{others} take on {looks}")
        figures = scores.bleed[at], scores.bleed_at_worst[at], most, int(scores.bleed_lost[at])
        found.append(_above("bleed", *figures, taken_on))
    if limits.copy is not None and scores.copy_at_worst[at] > (most := limits.copy):
        figures = scores.copy[at], scores.copy_at_worst[at], most, int(scores.copy_lost[at])
        found.append(_above("copy", *figures, "it repeats the training pictures"))
    return found


def _above(name: str, value: float, at_worst: float, most: float, lost: int, means: str) -> str:
    """A limit that is broken by the faces that are there, or may be by those that are not."""
    if value > most:
        return f"{name} {value:+.3f} is above the limit {most:+.3f}: {means}"
    faces = "1 face that the base model shows is" if lost == 1 else f"{lost} faces that the base model shows are"
    seen = "no face is left to tell" if np.isnan(value) else f"{name} is {value:+.3f} on the faces that are left"
    return f"{name} may be above the limit {most:+.3f}: {faces} lost, {seen}, at worst it is {at_worst:+.3f}"
