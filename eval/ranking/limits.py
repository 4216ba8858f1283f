"""What a cell may cost: limits that come before identity, each a share of something measured in the same grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.ranking.copying import Copying
from eval.ranking.evidence import Evidence
from eval.ranking.scores import Scores, rows_mean
from eval.request.spec import LimitsSection
from eval.wording.figure_texts import number_text, with_interval
from eval.wording.subject_words import SubjectWords
from foundation.wording.said import Said, listed, say, say_many

NAMED_PICTURES = 3
MAY_BE = "may be"
# Of limits that a cell is past, but no further than chance takes it.
BELOW_BY_CHANCE = say(
    "prompt {figure} is below its limit, but so few pictures may be so by chance: give more seeds to tell"
)
BLEEDS_BY_CHANCE = say(
    "bleed {figure} is above its limit, but so few pictures may be so by chance: give more seeds to tell"
)
COPIES_BY_CHANCE = say(
    "copy {figure} is above its limit, but so few pictures may be so by chance: give more seeds to tell"
)


@dataclass(frozen=True)
class Limits:
    """What a cell may cost. Each is a share of something measured in the same grid; None switches it off.

    `face_rate`: of the base model's own; broken when the whole Wilson interval is below. `prompt`: of the prompt
    contrast, that may be lost. `bleed`: of the way from the floor to the ceiling, that may be gone. `copy`: of the way
    from the base model's pictures to a training picture. Each of the three is broken only where the whole interval of
    chance is past 0, too. The default of `copy` lies between what planted copies and clean LoRAs showed
    (docs/scoring.md). A face that the base model shows and the cell has lost counts as if it had bled, or been a copy.

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
    found = list[str]()
    low, high = scores.face_rate_interval(at)
    if limits.face_rate is not None and high < (least := limits.face_rate * scores.face_rate_control):
        rate = with_interval(scores.face_rate[at], low, high, ".2f")
        found.append(say("face rate {figure} is below the limit {limit}", figure=rate, limit=f"{least:.2f}"))
    if limits.prompt is not None and below_prompt_limit(scores, limits.prompt)[at]:
        found.append(_disobeyed(scores, -limits.prompt * scores.prompt_scale, at))
    if limits.bleed is not None and above_bleed_limit(scores, limits.bleed)[at]:
        found.append(_bled(scores, limits.bleed * scores.span, at))
    if limits.copy is not None and above_copy_limit(scores.copying, limits.copy)[at]:
        found.append(_copied(scores, limits.copy, at))
    return found


def below_prompt_limit(scores: Scores, share: float) -> np.ndarray:
    """Which cells (C,) obey less than the limit, and surely less than the base model does."""
    return (scores.prompt < -share * scores.prompt_scale) & (scores.prompt_interval[:, 1] < 0)


def above_bleed_limit(scores: Scores, share: float) -> np.ndarray:
    """Which cells (C,) bleed more than the limit, and surely more than the base model does."""
    return (scores.bleed > share * scores.span) & (scores.bleed_interval[:, 0] > 0)


def above_copy_limit(copying: Copying, most: float) -> np.ndarray:
    """Which cells (C,) copy more than the limit, and surely more than the base model does."""
    return (copying.value > most) & (copying.interval[:, 0] > 0)


def perhaps_broken(scores: Scores, limits: Limits, at: int) -> list[str]:
    """What to say of limits that a cell is past, but no further than chance takes it."""
    prompt, bleed = limits.prompt, limits.bleed
    found: list[tuple[bool, Said, str]] = []
    if prompt is not None and scores.prompt[at] < -prompt * scores.prompt_scale:
        figure = _figure(scores.prompt[at], scores.prompt_interval[at])
        found.append((not below_prompt_limit(scores, prompt)[at], BELOW_BY_CHANCE, figure))
    if bleed is not None and scores.bleed[at] > bleed * scores.span:
        figure = _figure(scores.bleed[at], scores.bleed_interval[at])
        found.append((not above_bleed_limit(scores, bleed)[at], BLEEDS_BY_CHANCE, figure))
    if limits.copy is not None and scores.copy[at] > limits.copy:
        figure = _figure(scores.copy[at], scores.copying.interval[at])
        found.append((not above_copy_limit(scores.copying, limits.copy)[at], COPIES_BY_CHANCE, figure))
    return [said.with_values(figure=figure) for holds, said, figure in found if holds]


def _disobeyed(scores: Scores, least: float, at: int) -> str:
    """The limit of the prompt, broken by the pictures that are there, or perhaps by those that failed."""
    if rows_mean(scores.prompt_seen)[at] < least:
        figure = _figure(scores.prompt[at], scores.prompt_interval[at])
        return say(
            "prompt {figure} is below the limit {limit}: it no longer does what is asked",
            figure=figure,
            limit=f"{least:+.3f}",
        )
    return say(
        "prompt {value} may be below the limit {limit}: failed pictures ({count} of {total}) count as showing nothing "
        "of it; look at them",
        value=number_text(scores.prompt[at], "+.3f"),
        limit=f"{least:+.3f}",
        count=0 if scores.failed is None else int(scores.failed[at].sum()),
        total=scores.prompt_changes.shape[1],
    )


def _bled(scores: Scores, most: float, at: int) -> str:
    """The limit of bleed, broken by the faces that are there, or perhaps by those that are lost."""
    words, lost = scores.words, int(scores.bleed_lost[at])
    if scores.bleed_seen[at].mean() > most:
        said = say("bleed {figure} is above the limit {limit}: {others} take on {looks}{lost}")
        lost_too = _lost(lost, words, say("that"))
        figure = _figure(scores.bleed[at], scores.bleed_interval[at])
        return words.filled_in(said.with_values(figure=figure, limit=f"{most:+.3f}", lost=lost_too))
    said = say(
        "bleed {value} may be above the limit {limit}: {lost} of {others} ({count} of {total}) count as if they took "
        "on {looks}; look at them"
    )
    figures = {"value": number_text(scores.bleed[at], "+.3f"), "limit": f"{most:+.3f}"}
    return words.filled_in(said.with_values(**figures, count=lost, total=scores.bleed_seen.shape[1]))


def _copied(scores: Scores, most: float, at: int) -> str:
    """The limit of copying, broken by the faces that are there, or perhaps by those that are lost."""
    copying, words, units = scores.copying, scores.words, scores.copying.worst_units(at)
    lost = int(np.isnan(copying.shares[at, units]).sum())
    if np.nanmean(copying.pictures_seen[at]) > most:
        return say(
            "copy {figure} is above the limit {limit}: {repeats}{lost}",
            figure=_figure(copying.value[at], copying.interval[at]),
            limit=f"{most:+.3f}",
            repeats=repeated_pictures(copying, at, most),
            lost=_lost(lost, words, say("copies")),
        )
    return say(
        "copy {value} may be above the limit {limit}: {lost} of the prompt `{prompt}` ({count} of {total}) count as "
        "copies; look at them",
        value=number_text(copying.value[at], "+.3f"),
        limit=f"{most:+.3f}",
        lost=words.lost,
        prompt=f"{copying.prompts[units[0]]}",
        count=lost,
        total=len(units),
    )


def repeated_pictures(copying: Copying, at: int, most: float) -> str:
    """Which training pictures a cell repeats, on which prompt, and in how many pictures of it."""
    units = copying.worst_units(at)
    repeating = units[copying.shares[at, units] > most]
    if not len(repeating):
        return say("it may repeat training pictures")
    training = list(dict.fromkeys(copying.nearest[at, repeating].tolist()))
    told: dict[str, str] = {"prompt": copying.prompts[units[0]], "training": _named(training, copying.names)}
    if len(units) == 1:
        return say("1 picture of the prompt `{prompt}` repeats {training}", **told)
    return say_many(
        "{count} of {total} pictures of the prompt `{prompt}` repeats {training}",
        "{count} of {total} pictures of the prompt `{prompt}` repeat {training}",
        len(repeating),
        total=len(units),
        **told,
    )


def _named(training: Sequence[int], names: Sequence[str]) -> str:
    """Training pictures by their files' names, as far as these are known."""
    if not names:
        return say("the training picture") if len(training) == 1 else say("the training pictures")
    told = listed([f"`{names[one]}`" for one in training[:NAMED_PICTURES]])
    if len(training) > NAMED_PICTURES:
        told = say("{names} and {count} more", names=told, count=len(training) - NAMED_PICTURES)
    return say_many("the training picture {names}", "the training pictures {names}", len(training), names=told)


def limit_named(reason: str) -> str:
    """Which limit is meant by what is said of one: a word or two, as its column is called."""
    return "faces" if reason.startswith("face rate ") else reason.split(maxsplit=1)[0]


def may_be_broken(reason: str) -> bool:
    """Whether what is said of a limit hangs on lost pictures alone: their rate, or what stands in for them."""
    return reason.startswith("face rate ") or f" {MAY_BE} " in reason.split(":", maxsplit=1)[0]


def _figure(value: float, interval: np.ndarray) -> str:
    """A figure with its interval, where it has one."""
    low, high = interval
    return number_text(value, "+.3f") if np.isnan(low) else with_interval(value, low, high, "+.3f")


def _lost(lost: int, words: SubjectWords, counted: str) -> str:
    """What to say of pictures that count at their worst."""
    if not lost:
        return ""
    return say(
        "; {pictures} that the base model does not have count as {counted}: {count}",
        pictures=words.lost,
        counted=counted,
        count=lost,
    )
