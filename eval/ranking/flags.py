"""What is odd about a cell's pictures, what weakens every row alike, and what was not measured and why: in words."""

from __future__ import annotations

import math

import numpy as np

from eval.ranking.evidence import Evidence
from eval.ranking.limits import Limits
from eval.ranking.scores import BLEED, Scores

WEAK_CEILING = 8


def cell_flags(evidence: Evidence, scores: Scores, at: int) -> list[str]:
    """What is odd about one cell's pictures."""
    faceless = int((~scores.faces_seen[at]).sum())
    of_faces = evidence.subject == "face"
    several = int((evidence.face_counts[at] > 1).sum())
    failed = int(evidence.failed[at].sum())
    below = int(scores.below_floor[at].sum())
    others = int(scores.bleed_lost[at])
    found = {
        f"no face in {_pictures(faceless)} of the subject: counted at the floor": faceless * of_faces,
        f"less like the subject than the base model in {_pictures(below)}: counted at the floor": below,
        f"no face in {_pictures(others)} of others where the base model shows one: left out of bleed, and counted at "
        "the worst for its limit": others * of_faces,
        f"several faces in {_pictures(several)}: the largest was scored": several,
        f"{failed} failed {'picture' if failed == 1 else 'pictures'} (black, flat, not finite or not made)": failed,
    }
    return [text for text, count in found.items() if count]


def grid_flags(evidence: Evidence, scores: Scores, limits: Limits) -> list[str]:
    """What weakens every row alike, and what was not measured, with the reason."""
    references = len(evidence.references)
    one_seed = len(set(scores.prompts)) == len(scores.prompts)
    no_span, no_contrast = math.isnan(scores.span), not scores.prompt_contrast > 0
    by_image = evidence.subject == "image"
    words = evidence.words
    unknown: list[tuple[bool, str]] = [
        (evidence.left_out is not None, str(evidence.left_out)),
        (
            by_image,
            f"likeness by CLIP {evidence.clip_model}, of whole pictures: background and pose count, too; "
            "the face rate does not apply",
        ),
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
            f"floor not measured: no {words.seen} in any of the base model's own pictures, counted at 0",
        ),
        (bool(np.isnan(scores.prompt).all()), "prompt not measured: no CLIP embeddings"),
        (not len(evidence.where(BLEED)), "bleed not measured: no prompt without the trigger"),
        (
            bool(len(evidence.where(BLEED)) and np.isnan(scores.bleed).all()),
            f"bleed not measured: no {words.seen} among the base model's pictures of others",
        ),
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
            f"copy not measured: no {words.seen} to compare, or fewer than two held-out pictures that differ",
        ),
        (one_seed, "spread not measured: one seed a prompt"),
        (
            no_contrast and limits.prompt is not None,
            "prompt limit not applied: the base model's pictures do not tell the prompts apart",
        ),
        (
            no_span and limits.bleed is not None,
            "bleed limit not applied: no floor-to-ceiling scale",
        ),
    ]
    return [*evidence.remarks, *(text for holds, text in unknown if holds)]


def _pictures(count: int) -> str:
    return f"{count} picture" if count == 1 else f"{count} pictures"
