"""What is odd about a cell's pictures, what weakens every row alike, and what was not measured and why: in words."""

from __future__ import annotations

import math

import numpy as np

from base_models.vision.likeness import LEAST_COSINE
from eval.ranking.bare_prompts import bare_units
from eval.ranking.evidence import BLEED, Evidence
from eval.ranking.limits import Limits
from eval.ranking.scores import Scores
from eval.wording.subject_words import of_whole_pictures
from foundation.wording.said import say, say_many

WEAK_CEILING = 8
# Who is this far on the way to the real pictures, which are at 1, has not gone too far: the scale is too short.
FAR_BEYOND = 1.5


def cell_flags(evidence: Evidence, scores: Scores, at: int) -> list[str]:
    """What is odd about one cell's pictures."""
    faceless = int((~scores.faces_seen[at]).sum())
    of_faces = evidence.subject == "face"
    several = int((evidence.face_counts[at] > 1).sum())
    failed = int(evidence.failed[at].sum())
    below = int(scores.below_floor[at].sum())
    others, copies = int(scores.bleed_lost[at]), int(scores.copying.lost[at]) * of_faces
    at_the_floor = (
        say("counted {value}", value=f"{LEAST_COSINE:g}") if math.isnan(scores.floor) else say("counted at the floor")
    )
    found = {
        say(
            "no face in {pictures} of the subject: {counted}", pictures=_pictures(faceless), counted=at_the_floor
        ): faceless * of_faces,
        say(
            "less like the subject than the base model in {pictures}: counted at the floor", pictures=_pictures(below)
        ): below,
        say(
            "no face in {pictures} of others where the base model shows one: counted in bleed as all the way to the "
            "subject",
            pictures=_pictures(others),
        ): others * of_faces,
        say(
            "no face in {pictures} that tell of copying, where the base model shows one: counted as copies",
            pictures=_pictures(copies),
        ): copies,
        say("several faces in {pictures}: the largest was scored", pictures=_pictures(several)): several,
        say_many(
            "{count} failed picture (black, flat, not finite or not made)",
            "{count} failed pictures (black, flat, not finite or not made)",
            failed,
        ): failed,
    }
    seen = [text for text, count in found.items() if count]
    return [*_about_guest(evidence, at), *seen]


def _about_guest(evidence: Evidence, at: int) -> list[str]:
    guest = evidence.cells[at].guest
    if guest is None:
        return []
    shown = say("; the base model beside it is shown `{word}`", word=guest.class_word)
    control = "" if guest.class_word == evidence.class_word else shown
    return [say("a guest: its prompts say `{trigger}`{control}", trigger=guest.trigger, control=control)]


def grid_flags(evidence: Evidence, scores: Scores, limits: Limits) -> list[str]:
    """What weakens every row alike, and what was not measured, with the reason."""
    references = len(evidence.references)
    one_seed = len(set(scores.prompts)) == len(scores.prompts)
    no_span, no_contrast = math.isnan(scores.span), math.isnan(scores.prompt_scale)
    by_image = evidence.subject == "image"
    words = evidence.words
    long = [parts for prompt in sorted(set(scores.prompts)) if (parts := evidence.parts.get(prompt, 1)) > 1]
    unknown: list[tuple[bool, str]] = [
        (evidence.left_out is not None, evidence.left_out.said if evidence.left_out else ""),
        (
            by_image,
            say(
                "likeness by {model}, of whole pictures: background and pose count, too; the face rate does not apply",
                model=of_whole_pictures(evidence.face_model),
            ),
        ),
        (len(scores.prompts) < 2, say("intervals not measured: one (prompt, seed) only")),
        *_about_scale(scores, references),
        (bool(np.isnan(scores.prompt).all()), say("prompt not measured: no CLIP embeddings")),
        (bool(long), _long_prompts(long)),
        (not len(evidence.where(BLEED)), say("bleed not measured: no prompt without the trigger")),
        (
            bool(len(evidence.where(BLEED)) and np.isnan(scores.bleed).all()),
            say("bleed not measured: no {seen} among the base model's pictures of others", seen=words.seen),
        ),
        *_about_copying(evidence, scores),
        (
            bool(scores.bleed_judged_prompts) and math.isnan(scores.bleed_half),
            say("bleed has no interval, so its limit accuses no row: give the prompts more seeds"),
        ),
        (
            len(scores.bleed_judged_prompts) == 1,
            say(
                "one picture of {others} tells little of bleed: give more seeds, or more prompts without the trigger",
                others=words.others,
            ),
        ),
        (
            not np.isnan(scores.prompt).all() and math.isnan(scores.prompt_half),
            say("prompt has no interval, so its limit accuses no row: give the prompts more seeds"),
        ),
        (one_seed, say("spread not measured: one seed a prompt")),
        (
            no_contrast and limits.prompt is not None,
            say(
                "prompt limit not applied: the base model's pictures do not tell the prompts apart; let prompts ask "
                "for different things"
            ),
        ),
        (
            no_span and limits.bleed is not None,
            say("bleed limit not applied: no floor-to-ceiling scale"),
        ),
    ]
    return [*evidence.remarks, *(text for holds, text in unknown if holds)]


def _about_copying(evidence: Evidence, scores: Scores) -> list[tuple[bool, str]]:
    """What is to say of how copying was measured, and whether it holds."""
    words, unmeasured = evidence.words, bool(np.isnan(scores.copy).all())
    return [
        (
            not len(evidence.training),
            say("copy not measured: no training {seen} were given", seen=words.several_seen),
        ),
        (
            bool(len(evidence.training)) and evidence.looks is None,
            say(
                "copy not measured: not all looks were read, by an earlier version or because files are gone; "
                "`python -m eval score STORE` reads them, or says what is gone"
            ),
        ),
        (
            bool(len(evidence.training)) and evidence.looks is not None and bool(np.isnan(scores.copy).all()),
            say(
                "copy not measured: fewer than two held-out {several} to compare with, or no {seen} in any picture",
                several=words.several_seen,
                seen=words.seen,
            ),
        ),
        (
            bool(evidence.trigger) and not unmeasured and not bare_units(evidence).any(),
            say(
                "no prompt is the trigger and no more: what prompts say hides copying; add `photo of {trigger}`",
                trigger=evidence.trigger,
            ),
        ),
        (
            not unmeasured and math.isnan(scores.copying.half),
            say("copy has no interval, so its limit accuses no row: give the prompts more seeds"),
        ),
    ]


def _about_scale(scores: Scores, references: int) -> list[tuple[bool, str]]:
    """What is to say of floor and ceiling, and whether it holds."""
    words, no_floor = scores.words, math.isnan(scores.floor)
    return [
        (references < 2, say("identity_normalised not measured: a ceiling needs two held-out references")),
        (
            2 <= references < WEAK_CEILING,
            say(
                "the ceiling is weak: {count} held-out references, {most} or more make it firm",
                count=references,
                most=WEAK_CEILING,
            ),
        ),
        (
            references >= 2 and math.isnan(scores.span) and not no_floor,
            say("identity_normalised not measured: the base model is as alike as the references are to each other"),
        ),
        (
            not math.isnan(scores.span) and bool(scores.identity_normalised.max() > FAR_BEYOND),
            say(
                "the way is short: references are less alike to each other ({ceiling}) than rows are to them, so "
                "shares of the way mean little; see that they show one subject",
                ceiling=f"{scores.ceiling:.3f}",
            ),
        ),
        (
            scores.face_rate_control == 0 and not no_floor,
            say(
                "the floor is that of {others}: none of the base model's own pictures of the subject's prompts shows "
                "{shown}",
                others=words.others,
                shown=words.shown,
            ),
        ),
        (
            no_floor,
            say(
                "floor not measured: none of the base model's own pictures shows {shown}; {lost} count {value}, which "
                "nothing falls below, and no gain is known",
                shown=words.shown,
                lost=words.lost,
                value=f"{LEAST_COSINE:g}",
            ),
        ),
    ]


def _long_prompts(parts: list[int]) -> str:
    return say_many(
        "{count} prompt is longer than CLIP reads at once: judged in up to {parts} parts, each counting by its length",
        "{count} prompts are longer than CLIP reads at once: judged in up to {parts} parts, each counting by its "
        "length",
        len(parts),
        parts=max(parts, default=1),
    )


def _pictures(count: int) -> str:
    return say_many("{count} picture", "{count} pictures", count)
