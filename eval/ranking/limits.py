"""What a cell may cost: limits that come before identity, each a share of something measured in the same grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.ranking.copying import Copying, all_but_one
from eval.ranking.evidence import Evidence
from eval.ranking.scores import Scores
from eval.request.spec import LimitsSection
from eval.wording.figure_texts import number_text, with_interval
from eval.wording.subject_words import SubjectWords

NAMED_PICTURES = 3


@dataclass(frozen=True)
class Limits:
    """What a cell may cost. Each is a share of something measured in the same grid; None switches it off.

    `face_rate`: of the base model's own; broken when the whole Wilson interval is below. `prompt`: of the prompt
    contrast, that may be lost. `bleed`: of the way from the floor to the ceiling, that may be gone. `copy`: of the way
    from the base model's pictures to a training picture; broken only where the whole interval is above 0, too. The
    default lies between what planted copies and clean LoRAs showed (docs/scoring.md). A face that the base model shows
    and the cell has lost counts as if it had bled, or been a copy.

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
    found, words = list[str](), scores.words
    low, high = scores.face_rate_interval(at)
    if limits.face_rate is not None and high < (least := limits.face_rate * scores.face_rate_control):
        rate = with_interval(scores.face_rate[at], low, high, ".2f")
        found.append(f"face rate {rate} is below the limit {least:.2f}")
    contrast = scores.prompt_contrast  # one that is not above 0 is no measure, and a flag says so
    if limits.prompt is not None and contrast > 0 and scores.prompt[at] < (least := -limits.prompt * contrast):
        found.append(
            f"prompt {scores.prompt[at]:+.3f} is below the limit {least:+.3f}: it no longer does what is asked"
        )
    if limits.bleed is not None and scores.bleed[at] > (most := limits.bleed * scores.span):
        seen = np.where(np.isnan(scores.bleed_changes[at, scores.bleed_judged]), 0.0, scores.bleed_counted[at])
        means = words.filled_in("{others} take on {looks}") + _lost(int(scores.bleed_lost[at]), words, "that")
        found.append(_above("bleed", scores.bleed[at], scores.bleed_interval[at], most, float(seen.mean()), means))
    if limits.copy is not None and above_copy_limit(scores.copying, limits.copy)[at]:
        copying, units = scores.copying, scores.copying.worst_units(at)
        seen = all_but_one(np.nan_to_num(copying.shares[at, units], nan=0.0)[None])
        lost = _lost(int(np.isnan(copying.shares[at, units]).sum()), words, "copies")
        means = repeated_pictures(copying, at, limits.copy) + lost
        found.append(_above("copy", scores.copy[at], copying.interval[at], limits.copy, float(seen.mean()), means))
    return found


def above_copy_limit(copying: Copying, most: float) -> np.ndarray:
    """Which cells (C,) copy more than the limit, and surely more than the base model does."""
    return (copying.value > most) & (copying.interval[:, 0] > 0)


def repeated_pictures(copying: Copying, at: int, most: float) -> str:
    """Which training pictures a cell repeats, on which prompt, and in how many pictures of it."""
    units = copying.worst_units(at)
    repeating = units[copying.shares[at, units] > most]
    if not len(repeating):
        return "it may repeat training pictures"
    pictures = "1 picture" if len(units) == 1 else f"{len(repeating)} of {len(units)} pictures"
    repeats = "repeats" if len(repeating) == 1 else "repeat"
    training = list(dict.fromkeys(copying.nearest[at, repeating].tolist()))
    return f"{pictures} of the prompt `{copying.prompts[units[0]]}` {repeats} {_named(training, copying.names)}"


def _named(training: Sequence[int], names: Sequence[str]) -> str:
    """Training pictures by their files' names, as far as these are known."""
    pictures = "the training picture" if len(training) == 1 else "the training pictures"
    if not names:
        return pictures
    more = f" and {len(training) - NAMED_PICTURES} more" if len(training) > NAMED_PICTURES else ""
    return f"{pictures} {', '.join(f'`{names[one]}`' for one in training[:NAMED_PICTURES])}{more}"


def _above(name: str, value: float, interval: np.ndarray, most: float, seen: float, means: str) -> str:
    """A limit that is broken by the faces that are there, which alone make `seen`, or may be by those that are lost."""
    low, high = interval
    figure = number_text(value, "+.3f") if np.isnan(low) else with_interval(value, low, high, "+.3f")
    return f"{name} {figure} {'is' if seen > most else 'may be'} above the limit {most:+.3f}: {means}"


def _lost(lost: int, words: SubjectWords, counted: str) -> str:
    """What to say of pictures that count at their worst."""
    return f"; {words.lost} that the base model does not have count as {counted}: {lost}" if lost else ""
