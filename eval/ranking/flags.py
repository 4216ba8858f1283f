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
    at_the_floor = f"counted {LEAST_COSINE:g}" if math.isnan(scores.floor) else "counted at the floor"
    found = {
        f"no face in {_pictures(faceless)} of the subject: {at_the_floor}": faceless * of_faces,
        f"less like the subject than the base model in {_pictures(below)}: counted at the floor": below,
        f"no face in {_pictures(others)} of others where the base model shows one: counted in bleed as all the way to "
        "the subject": others * of_faces,
        f"no face in {_pictures(copies)} that tell of copying, where the base model shows one: counted as "
        "copies": copies,
        f"several faces in {_pictures(several)}: the largest was scored": several,
        f"{failed} failed {'picture' if failed == 1 else 'pictures'} (black, flat, not finite or not made)": failed,
    }
    seen = [text for text, count in found.items() if count]
    return [*_about_guest(evidence, at), *seen]


def _about_guest(evidence: Evidence, at: int) -> list[str]:
    guest = evidence.cells[at].guest
    if guest is None:
        return []
    shown = f"; the base model beside it is shown `{guest.class_word}`"
    control = "" if guest.class_word == evidence.class_word else shown
    return [f"a guest: its prompts say `{guest.trigger}`{control}"]


def grid_flags(evidence: Evidence, scores: Scores, limits: Limits) -> list[str]:
    """What weakens every row alike, and what was not measured, with the reason."""
    references = len(evidence.references)
    one_seed = len(set(scores.prompts)) == len(scores.prompts)
    no_span, no_contrast = math.isnan(scores.span), math.isnan(scores.prompt_scale)
    by_image = evidence.subject == "image"
    words = evidence.words
    long = [parts for prompt in sorted(set(scores.prompts)) if (parts := evidence.parts.get(prompt, 1)) > 1]
    unknown: list[tuple[bool, str]] = [
        (evidence.left_out is not None, str(evidence.left_out)),
        (
            by_image,
            f"likeness by {of_whole_pictures(evidence.face_model)}, of whole pictures: background and pose count, too; "
            "the face rate does not apply",
        ),
        (len(scores.prompts) < 2, "intervals not measured: one (prompt, seed) only"),
        *_about_scale(scores, references),
        (bool(np.isnan(scores.prompt).all()), "prompt not measured: no CLIP embeddings"),
        (bool(long), f"{_long_prompts(long)}, each counting by its length"),
        (not len(evidence.where(BLEED)), "bleed not measured: no prompt without the trigger"),
        (
            bool(len(evidence.where(BLEED)) and np.isnan(scores.bleed).all()),
            f"bleed not measured: no {words.seen} among the base model's pictures of others",
        ),
        *_about_copying(evidence, scores),
        (
            bool(scores.bleed_judged_prompts) and math.isnan(scores.bleed_half),
            "bleed has no interval, so its limit accuses no row: give the prompts more seeds",
        ),
        (
            len(scores.bleed_judged_prompts) == 1,
            f"one picture of {words.others} tells little of bleed: give more seeds, or more prompts without the "
            "trigger",
        ),
        (
            not np.isnan(scores.prompt).all() and math.isnan(scores.prompt_half),
            "prompt has no interval, so its limit accuses no row: give the prompts more seeds",
        ),
        (one_seed, "spread not measured: one seed a prompt"),
        (
            no_contrast and limits.prompt is not None,
            "prompt limit not applied: the base model's pictures do not tell the prompts apart; let prompts ask for "
            "different things",
        ),
        (
            no_span and limits.bleed is not None,
            "bleed limit not applied: no floor-to-ceiling scale",
        ),
    ]
    return [*evidence.remarks, *(text for holds, text in unknown if holds)]


def _about_copying(evidence: Evidence, scores: Scores) -> list[tuple[bool, str]]:
    """What is to say of how copying was measured, and whether it holds."""
    words, unmeasured = evidence.words, bool(np.isnan(scores.copy).all())
    return [
        (
            not len(evidence.training),
            f"copy not measured: no training {words.several_seen} were given",
        ),
        (
            bool(len(evidence.training)) and evidence.looks is None,
            "copy not measured: not all looks were read, by an earlier version or because files are gone; "
            "`python -m eval score STORE` reads them, or says what is gone",
        ),
        (
            bool(len(evidence.training)) and evidence.looks is not None and bool(np.isnan(scores.copy).all()),
            f"copy not measured: fewer than two held-out {words.several_seen} to compare with, or no {words.seen} in "
            "any picture",
        ),
        (
            bool(evidence.trigger) and not unmeasured and not bare_units(evidence).any(),
            f"no prompt is the trigger and no more: what prompts say hides copying; add `photo of {evidence.trigger}`",
        ),
        (
            not unmeasured and math.isnan(scores.copying.half),
            "copy has no interval, so its limit accuses no row: give the prompts more seeds",
        ),
    ]


def _about_scale(scores: Scores, references: int) -> list[tuple[bool, str]]:
    """What is to say of floor and ceiling, and whether it holds."""
    words, no_floor = scores.words, math.isnan(scores.floor)
    return [
        (references < 2, "identity_normalised not measured: a ceiling needs two held-out references"),
        (
            2 <= references < WEAK_CEILING,
            f"the ceiling is weak: {references} held-out references, {WEAK_CEILING} or more make it firm",
        ),
        (
            references >= 2 and math.isnan(scores.span) and not no_floor,
            "identity_normalised not measured: the base model is as alike as the references are to each other",
        ),
        (
            not math.isnan(scores.span) and bool(scores.identity_normalised.max() > FAR_BEYOND),
            f"the way is short: references are less alike to each other ({scores.ceiling:.3f}) than rows are to "
            "them, so shares of the way mean little; see that they show one subject",
        ),
        (
            scores.face_rate_control == 0 and not no_floor,
            f"the floor is that of {words.others}: none of the base model's own pictures of the subject's prompts "
            f"shows {words.shown}",
        ),
        (
            no_floor,
            f"floor not measured: none of the base model's own pictures shows {words.shown}; {words.lost} count "
            f"{LEAST_COSINE:g}, which nothing falls below, and no gain is known",
        ),
    ]


def _long_prompts(parts: list[int]) -> str:
    prompts = "1 prompt is" if len(parts) == 1 else f"{len(parts)} prompts are"
    return f"{prompts} longer than CLIP reads at once: judged in up to {max(parts, default=1)} parts"


def _pictures(count: int) -> str:
    return f"{count} picture" if count == 1 else f"{count} pictures"
