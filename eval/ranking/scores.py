"""From what was seen (embeddings) to what it means (figures per cell). Pure: arrays in, arrays out, no models.

C cells, U units, S subject units, R references, T training faces. A figure that cannot be measured is NaN.
`docs/scoring.md` says why each is defined as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np

from base_models.vision.likeness import at_the_floor, ceiling, centroid, floors, stand_in
from eval.ranking.evidence import Appearances, Evidence
from eval.ranking.statistics import wilson
from eval.wording.subject_words import FACE, SubjectWords
from foundation.errors import UserError

SUBJECT = "subject"
BLEED = "bleed"
# What a lost face counts, and a face counts at most, where limits are judged: bleed as a share of the way from floor to
# ceiling (all of it), copy of the references' variety (more than planted copies show on average); either way a quarter
# of the faces may be lost before that alone breaks the default limit.
BLEED_WORST, COPY_WORST = 1.0, 0.6


class UnscorableError(UserError):
    """Evidence from which no identity can be computed."""


@dataclass(frozen=True)
class Scores:
    """Every figure of every cell, and the scales they are judged on.

    `prompts` (S,), `bleed_prompts` (B,): the units' own. `raw` (C, S): cosine to the centroid, NaN without a face;
    `counted` (C, S): the same, never below the unit's floor. `prompt_changes` (C, S), `bleed_changes` (C, B) and
    `copy_margins` (C, S): a value each picture, NaN where there is none. `bleed_judged` (B,), `copy_judged` (S,): the
    units on which their limits are judged, those in which the base model shows a face. `floor` (NaN where the base
    model shows no face at all), `ceiling`, `prompt_contrast`, `face_rate_control` are the grid's own; `words` what its
    kind of subject is called.
    """

    prompts: list[str]
    bleed_prompts: list[str]
    raw: np.ndarray
    counted: np.ndarray
    prompt_changes: np.ndarray
    bleed_changes: np.ndarray
    bleed_judged: np.ndarray
    copy_margins: np.ndarray
    copy_judged: np.ndarray
    spread: np.ndarray
    floor: float
    ceiling: float
    prompt_contrast: float
    face_rate_control: float
    words: SubjectWords = FACE

    @cached_property
    def faces_seen(self) -> np.ndarray:
        """In which pictures (C, S) there is a face, or whatever likeness is read from."""
        return np.isfinite(self.raw)

    @cached_property
    def identity(self) -> np.ndarray:
        """The mean likeness (C,) over subject units, no picture below the floor of its unit."""
        return self.counted.mean(1)

    @cached_property
    def prompt(self) -> np.ndarray:
        """The mean change (C,) of what CLIP sees of the prompt, against the base model."""
        return rows_mean(self.prompt_changes)

    @cached_property
    def bleed(self) -> np.ndarray:
        """The mean change (C,) of the likeness of others, on the faces that are there."""
        return rows_mean(self.bleed_changes)

    @cached_property
    def copy(self) -> np.ndarray:
        """The mean copy margin (C,), on the faces that are there."""
        return rows_mean(self.copy_margins)

    @cached_property
    def bleed_at_worst(self) -> np.ndarray:
        """`bleed` (C,) if lost faces had bled all the way: what its limit is judged by."""
        return at_worst(self.bleed_changes, self.bleed_judged, BLEED_WORST * self._scale)

    @cached_property
    def copy_at_worst(self) -> np.ndarray:
        """`copy` (C,) if lost faces had been copies."""
        return at_worst(self.copy_margins, self.copy_judged, COPY_WORST)

    @cached_property
    def bleed_lost(self) -> np.ndarray:
        """How many faces of others (C,) a cell has lost that the base model shows."""
        return (np.isnan(self.bleed_changes) & self.bleed_judged).sum(1)

    @cached_property
    def copy_lost(self) -> np.ndarray:
        """How many faces of the subject (C,) a cell has lost that the base model shows."""
        return (np.isnan(self.copy_margins) & self.copy_judged).sum(1)

    @property
    def _scale(self) -> float:
        return 1.0 if np.isnan(self.span) else self.span

    @cached_property
    def below_floor(self) -> np.ndarray:
        """Faces (C, S) that are less like the subject than the base model's own picture of that unit."""
        return self.faces_seen & (self.raw < self.counted)

    @cached_property
    def span(self) -> float:
        """From the floor to the ceiling: the scale on which a change of identity is judged. NaN if there is none."""
        span = self.ceiling - self.floor
        return span if span > 0 else np.nan

    @cached_property
    def identity_normalised(self) -> np.ndarray:
        """0 is the base model without the LoRA, 1 the subject's own held-out pictures."""
        return (self.identity - self.floor) / self.span

    @cached_property
    def face_rate(self) -> np.ndarray:
        """The share (C,) of subject pictures with a face."""
        return self.faces_seen.mean(1)

    def face_rate_interval(self, cell: int) -> tuple[float, float]:
        """Its 95 % interval for one cell."""
        return wilson(int(self.faces_seen[cell].sum()), self.faces_seen.shape[1])


def score(evidence: Evidence) -> Scores:
    """Every figure of a grid. Raises UnscorableError without references, cells or subject units."""
    subject = evidence.where(SUBJECT)
    if not len(evidence.references):
        raise UnscorableError(
            f"no {evidence.words.seen} in the held-out references: identity is measured against them; "
            "put pictures of the subject that were not trained on there"
        )
    if not len(subject) or not evidence.cells:
        raise UnscorableError("nothing to score: the grid has no cells, or no prompt carries the trigger")
    raw = identities(evidence)[:, subject]
    everyone = control_identities(evidence)
    control, others = everyone[subject], everyone[evidence.where(BLEED)]
    return Scores(
        prompts=evidence.prompts_of(SUBJECT),
        bleed_prompts=evidence.prompts_of(BLEED),
        raw=raw,
        counted=at_the_floor(raw, floors(control, others)),
        prompt_changes=prompt_changes(evidence),
        bleed_changes=bleed_changes(evidence),
        bleed_judged=np.isfinite(others),
        copy_margins=copy_margins(evidence),
        copy_judged=copy_judged(evidence, control),
        spread=spread(evidence),
        floor=stand_in(control, others),
        ceiling=ceiling(evidence.references),
        prompt_contrast=prompt_contrast(evidence),
        face_rate_control=float(np.isfinite(control).mean()),
        words=evidence.words,
    )


def identities(evidence: Evidence) -> np.ndarray:
    """Cosine (C, U) of the largest face with the centroid of the references; NaN without a face or a picture."""
    cosines = (evidence.faces @ centroid(evidence.references).astype(evidence.faces.dtype)).astype(np.float64)
    return np.where(evidence.failed, np.nan, cosines)


def control_identities(evidence: Evidence) -> np.ndarray:
    """Cosine (U,) of the base model's own pictures (class word instead of trigger) with the centroid."""
    return np.asarray(evidence.faces_control, dtype=np.float64) @ centroid(evidence.references)


def prompt_changes(evidence: Evidence) -> np.ndarray:
    """Cosine(picture, prompt) of each subject picture (C, S) minus the base model's on the same prompt and seed.

    A failed picture shows nothing of its prompt, so its cosine is 0. NaN where CLIP saw nothing.
    """
    at = evidence.where(SUBJECT)
    cosines = np.einsum("cue,ue->cu", evidence.pictures[:, at], evidence.prompts[at]).astype(np.float64)
    cosines = np.where(evidence.failed[:, at], 0.0, cosines)
    control = np.einsum("ue,ue->u", evidence.pictures_control[at], evidence.prompts[at]).astype(np.float64)
    return cosines - control


def prompt_contrast(evidence: Evidence) -> float:
    """How much nearer the base model's pictures are to their own prompt than to the grid's other prompts.

    The scale on which a change of `prompt` is judged: cosines of different CLIP models are not comparable. NaN with
    one prompt.
    """
    at = evidence.where(SUBJECT)
    names = np.array(evidence.prompts_of(SUBJECT))
    cosines = np.asarray(evidence.pictures_control[at], dtype=np.float64) @ evidence.prompts[at].T
    own = names[:, None] == names[None, :]
    seen = np.isfinite(cosines)
    if not (own & seen).any() or not (~own & seen).any():
        return np.nan
    return float(cosines[own & seen].mean() - cosines[~own & seen].mean())


def bleed_changes(evidence: Evidence) -> np.ndarray:
    """How much more (C, B) people who are not the subject look like it: cosine with the LoRA minus without, same seeds.

    NaN where the picture has no face, and for every cell where the base model's has none: then nothing is compared.
    """
    at = evidence.where(BLEED)
    return identities(evidence)[:, at] - control_identities(evidence)[at]


def expected_nearest(cosines: np.ndarray, count: int) -> np.ndarray:
    """The largest of `count` of the N cosines (..., N), averaged over every choice of `count`; 0 < count <= N.

    Exact, so no subsample has to be drawn: the j-th smallest is the largest of C(j - 1, count - 1) of C(N, count).
    """
    total = cosines.shape[-1]
    weights = np.array([comb(rank, count - 1) / comb(total, count) for rank in range(total)])
    return np.sort(cosines, axis=-1) @ weights


def copy_margins(evidence: Evidence) -> np.ndarray:
    """How much nearer (C, S) each subject picture looks to training pictures than to held-out ones, beyond the base's.

    As a share of how far the held-out pictures look from one another: 0 is as near as the base model's own picture of
    that unit comes, who has seen neither; 1 is nearer by as much as two pictures of the subject differ. NaN without a
    face, or where there are no training pictures, fewer than two held-out ones, or no looks.
    """
    at, looks = evidence.where(SUBJECT), evidence.looks
    if looks is None or not len(looks.training) or np.isnan(differs := variety(looks.references)):
        return np.full((len(evidence.cells), len(at)), np.nan)
    control = nearer_to_training(looks.control[at], looks)
    # Where the base model's picture has no face, the mean of the others stands in; where none has, there is nothing.
    seen = np.isfinite(control)
    control = np.where(seen, control, control[seen].mean() if seen.any() else 0.0)
    pictures = np.where(evidence.failed[:, at, None], np.nan, looks.pictures[:, at])
    return (nearer_to_training(pictures, looks) - control) / differs


def nearer_to_training(pictures: np.ndarray, looks: Appearances) -> np.ndarray:
    """Correlation of looks (..., L) with the nearest training look less that with the nearest held-out one, (...).

    Both out of equally many, or the larger set would be nearer by itself.
    """
    count = min(len(looks.training), len(looks.references))
    trained, held_out = (expected_nearest(pictures @ one.T, count) for one in (looks.training, looks.references))
    return trained - held_out


def variety(looks: np.ndarray) -> float:
    """Mean distance 1 - correlation between two of N looks (N, L). NaN below two, or where all are the same."""
    if len(looks) < 2:
        return np.nan
    total = looks.astype(np.float64).sum(0)
    differs = 1 - (total @ total - len(looks)) / (len(looks) * (len(looks) - 1))
    return float(differs) if differs > 1e-6 else np.nan


def copy_judged(evidence: Evidence, control: np.ndarray) -> np.ndarray:
    """The subject units (S,) on which the copy limit is judged, `control` (S,) being the base model's identities.

    A prompt that shows no face without the LoRA costs no cell a face; where none does, all count.
    """
    looks = evidence.looks
    if looks is None or not len(looks.training) or np.isnan(variety(looks.references)):
        return np.zeros(len(control), dtype=bool)  # copying is not measured, so no lost face may have been a copy
    seen = np.isfinite(control)
    return seen if seen.any() else np.ones(len(control), dtype=bool)


def at_worst(values: np.ndarray, judged: np.ndarray, worst: float) -> np.ndarray:
    """The mean (C,) of `values` (C, U) on the `judged` (U,) units, a missing one counting `worst`, and none more.

    Who can say what a lost face looked like? Whatever else stood in for it, losing the right faces would bring a mean
    below any limit. NaN where no unit is judged.
    """
    if not judged.any():
        return np.full(len(values), np.nan)
    counted = np.where(np.isnan(values), worst, np.minimum(values, worst))
    return counted[:, judged].mean(1)


def spread(evidence: Evidence) -> np.ndarray:
    """Mean CLIP distance 1 - cosine (C,) between pictures of one prompt over its seeds. NaN with one seed a prompt."""
    at = evidence.where(SUBJECT)
    pictures = np.where(evidence.failed[:, at, None], np.nan, evidence.pictures[:, at])
    names = evidence.prompts_of(SUBJECT)
    return rows_mean(np.stack([_distances(pictures[:, _of(names, name)]) for name in dict.fromkeys(names)], axis=1))


def _of(names: Sequence[str], name: str) -> list[int]:
    return [at for at, other in enumerate(names) if other == name]


def _distances(pictures: np.ndarray) -> np.ndarray:
    """Mean pairwise 1 - cosine (C,) among the finite vectors of (C, N, E); NaN below two."""
    finite = np.isfinite(pictures).all(-1, keepdims=True)
    count = finite.sum((1, 2)).astype(np.float64)
    total = np.where(finite, pictures, 0.0).astype(np.float64).sum(1)
    pairs = np.where(count > 1, count * (count - 1), np.nan)
    return 1 - ((total**2).sum(-1) - count) / pairs


def rows_mean(values: np.ndarray) -> np.ndarray:
    """Mean (C,) of the finite values of each row (C, N); NaN where a row has none."""
    finite = np.isfinite(values)
    count = finite.sum(1)
    return np.where(finite, values, 0.0).sum(1, dtype=np.float64) / np.where(count > 0, count, np.nan)
