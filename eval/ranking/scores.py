"""From what was seen (embeddings) to what it means (figures per cell). Pure: arrays in, arrays out, no models.

C cells, U units, S subject units, R references, T training faces. A figure that cannot be measured is NaN.
`docs/scoring.md` says why each is defined as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from base_models.vision.likeness import at_the_floor, ceiling, centroid, floors, stand_in
from eval.ranking.bare_prompts import telling_units
from eval.ranking.copying import Copying, copying_of
from eval.ranking.evidence import BLEED, SUBJECT, CellFacts, Evidence, without_vectors
from eval.statistics.intervals import chance_half, wilson
from eval.statistics.pareto import pareto_front
from eval.statistics.row_blocks import by_rows
from eval.statistics.shrinkage import ExpectedMeans, expected_means
from eval.wording.subject_words import FACE, SubjectWords
from foundation.errors import UserError

# Of prompts that the base model's pictures tell apart by less than this cosine, half of it is no limit.
LEAST_CONTRAST = 0.01


class UnscorableError(UserError):
    """Evidence from which no identity can be computed."""


@dataclass(frozen=True)
class Scores:
    """Every figure of every cell, and the scales they are judged on.

    `prompts` (S,), `bleed_prompts` (B,): the units' own. `raw` (C, S): cosine to the centroid, NaN without a face;
    `floors` (S,): the base model's own on each unit; `counted` (C, S): `raw`, never below its unit's floor.
    `prompt_changes` (C, S), `bleed_changes` (C, B): a value each picture, NaN where there is none. `bleed_judged` (B,):
    the units on which bleed is judged, those in which the base model shows a face. `floor` (NaN where it shows none at
    all), `ceiling`, `prompt_contrast`, `face_rate_control` are the grid's own; `prompt_half`, `bleed_half`: half the
    95 % intervals of chance (`chance_half`), NaN where unknown; `failed` (C, S): subject pictures that are black, flat
    or not made, None: none; `words` what its kind of subject is called.
    """

    prompts: list[str]
    bleed_prompts: list[str]
    raw: np.ndarray
    floors: np.ndarray
    counted: np.ndarray
    prompt_changes: np.ndarray
    bleed_changes: np.ndarray
    bleed_judged: np.ndarray
    copying: Copying
    spread: np.ndarray
    floor: float
    ceiling: float
    prompt_contrast: float
    face_rate_control: float
    prompt_half: float = np.nan
    bleed_half: float = np.nan
    failed: np.ndarray | None = None
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
    def gains(self) -> np.ndarray:
        """How much more (C, S) a picture is like the subject than the base model's own; 0 where there is no face.

        Not by `counted`: no picture of it is below the floor, so mere scatter would look like a gain. NaN where no
        floor is known: any face at all would be one.
        """
        unknown = np.full(self.raw.shape, np.nan)
        return unknown if np.isnan(self.floor) else np.where(self.faces_seen, self.raw - self.floors, 0.0)

    @cached_property
    def prompt(self) -> np.ndarray:
        """The mean change (C,) of what CLIP sees of the prompt, against the base model."""
        return rows_mean(self.prompt_changes)

    @cached_property
    def prompt_interval(self) -> np.ndarray:
        """The 95 % interval (C, 2) of `prompt`: how far pictures scatter that obey as the base model's do."""
        return around(self.prompt, self.prompt_half)

    @cached_property
    def prompt_seen(self) -> np.ndarray:
        """`prompt_changes` (C, S), a failed picture counting as unchanged: what the pictures that are there show."""
        return self.prompt_changes if self.failed is None else np.where(self.failed, 0.0, self.prompt_changes)

    @property
    def prompt_scale(self) -> float:
        """The prompt contrast, on which a change of `prompt` is judged; NaN where it is too small to be a scale."""
        return self.prompt_contrast if self.prompt_contrast >= LEAST_CONTRAST else np.nan

    @cached_property
    def bleed(self) -> np.ndarray:
        """The mean change (C,) of the likeness of others, each as it counts; NaN where no unit is judged."""
        return rows_mean(self.bleed_counted)

    @cached_property
    def bleed_counted(self) -> np.ndarray:
        """The changes (C, J) on the judged units; a lost face counts as all the way to the subject, and none more.

        Who can say what a lost face looked like? Whatever else stood in for it, losing the right faces would bring a
        mean below any limit.
        """
        return at_worst(self.bleed_changes, 1.0 if np.isnan(self.span) else self.span)[:, self.bleed_judged]

    @cached_property
    def bleed_judged_prompts(self) -> list[str]:
        """The prompts (J,) of the judged units."""
        return [prompt for prompt, judged in zip(self.bleed_prompts, self.bleed_judged, strict=True) if judged]

    @cached_property
    def bleed_interval(self) -> np.ndarray:
        """The 95 % interval (C, 2) of `bleed`: how far others scatter in pictures that take on nothing."""
        return around(self.bleed, self.bleed_half)

    @cached_property
    def bleed_seen(self) -> np.ndarray:
        """`bleed_counted` (C, J), a lost face counting as unchanged: what the faces that are there show."""
        return np.where(np.isnan(self.bleed_changes[:, self.bleed_judged]), 0.0, self.bleed_counted)

    @property
    def copy(self) -> np.ndarray:
        """The share (C,) of the way to a training picture that the prompt has gone which copies most."""
        return self.copying.value

    @cached_property
    def bleed_lost(self) -> np.ndarray:
        """How many faces of others (C,) a cell has lost that the base model shows."""
        return (np.isnan(self.bleed_changes) & self.bleed_judged).sum(1)

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


@dataclass(frozen=True)
class Scored:
    """A grid with its scores, from which it is ranked, however often: whatever limits are set, these stay.

    `evidence`: without its vectors. `second`: the scores by the second face model; None: there is none, or it sees no
    subject in the references.
    """

    evidence: Evidence
    scores: Scores
    second: Scores | None = None

    @cached_property
    def expected(self) -> ExpectedMeans:
        """What other seeds would show of likeness."""
        return expected_of(self.evidence.cells, self.scores.counted, self.scores.prompts)

    @cached_property
    def gained(self) -> ExpectedMeans:
        """The same of what is gained on the base model."""
        return expected_of(self.evidence.cells, self.scores.gains, self.scores.prompts)

    @cached_property
    def front(self) -> np.ndarray:
        """Which cells (C,) no other one beats in everything."""
        own = self.scores
        return pareto_front([own.identity, own.prompt], [own.bleed, own.copy])


def scored(evidence: Evidence) -> Scored:
    """Score a grid. Raises UnscorableError."""
    second = evidence.second
    heard = second is not None and len(second.references) > 0
    return Scored(without_vectors(evidence), score(evidence), score(second) if second and heard else None)


def expected_of(cells: Sequence[CellFacts], values: np.ndarray, prompts: Sequence[str]) -> ExpectedMeans:
    """`expected_means` of rows (C, U) of cosines; rows that are one cell count once, and get the same."""
    if np.isnan(values).any():
        unknown = np.full(len(values), np.nan)
        return ExpectedMeans(unknown, np.stack([unknown, unknown], axis=1), unknown, np.empty((len(values), 0)))
    ids = [cell.id for cell in cells]
    once = {id_: place for place, id_ in enumerate(sorted(set(ids)))}
    return expected_means(values[[ids.index(id_) for id_ in once]], prompts).taken([once[id_] for id_ in ids])


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
        floors=floors(control, others),
        counted=at_the_floor(raw, floors(control, others)),
        prompt_changes=prompt_changes(evidence),
        bleed_changes=bleed_changes(evidence),
        bleed_judged=np.isfinite(others),
        copying=copying_of(evidence, control),
        spread=spread(evidence),
        floor=stand_in(control, others),
        ceiling=ceiling(evidence.references),
        prompt_contrast=prompt_contrast(evidence),
        face_rate_control=float(np.isfinite(control).mean()),
        prompt_half=chance_half(own_prompt_control(evidence), evidence.prompts_of(SUBJECT), len(subject)),
        bleed_half=chance_half(everyone, [unit.prompt for unit in evidence.units], int(np.isfinite(others).sum())),
        failed=evidence.failed[:, subject],
        words=evidence.words,
    )


def identities(evidence: Evidence) -> np.ndarray:
    """Cosine (C, U) of the largest face with the centroid of the references; NaN without a face or a picture."""
    faces = evidence.faces
    middle = centroid(evidence.references).astype(faces.dtype)
    cosines = by_rows(lambda rows: faces[rows] @ middle, faces).astype(np.float64)
    return np.where(evidence.failed, np.nan, cosines)


def control_identities(evidence: Evidence) -> np.ndarray:
    """Cosine (U,) of the base model's own pictures (class word instead of trigger) with the centroid."""
    return np.asarray(evidence.faces_control, dtype=np.float64) @ centroid(evidence.references)


def prompt_changes(evidence: Evidence) -> np.ndarray:
    """Cosine(picture, prompt) of each subject picture (C, S) minus the base model's on the same prompt and seed.

    A failed picture shows nothing of its prompt, so its cosine is 0. NaN where CLIP saw nothing.
    """
    at = evidence.where(SUBJECT)
    seen, asked = evidence.pictures, evidence.prompts[at]
    cosines = by_rows(lambda rows: np.einsum("cue,ue->cu", seen[rows][:, at], asked), seen)
    cosines = np.where(evidence.failed[:, at], 0.0, cosines.astype(np.float64))
    return cosines - own_prompt_control(evidence)


def own_prompt_control(evidence: Evidence) -> np.ndarray:
    """Cosine (S,) of the base model's own subject pictures with their prompts."""
    at = evidence.where(SUBJECT)
    return np.einsum("ue,ue->u", evidence.pictures_control[at], evidence.prompts[at]).astype(np.float64)


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


def at_worst(values: np.ndarray, worst: float) -> np.ndarray:
    """`values` (C, U) with `worst` for a missing one, and none above it."""
    return np.where(np.isnan(values), worst, np.minimum(values, worst))


def spread(evidence: Evidence) -> np.ndarray:
    """Mean CLIP distance 1 - cosine (C,) between a prompt's pictures over its seeds, of the prompt where it is least.

    Of bare prompts, where there are any: what is told to each seed differs from what is left to it, and a frozen prompt
    is not hidden by others that move. NaN with one seed a prompt.
    """
    at = evidence.where(SUBJECT)
    names = np.array(evidence.prompts_of(SUBJECT))
    told = names[telling_units(evidence)].tolist()

    def distances(rows: slice) -> np.ndarray:
        pictures = np.where(evidence.failed[rows][:, at, None], np.nan, evidence.pictures[rows][:, at])
        return np.stack([_distances(pictures[:, names == name]) for name in dict.fromkeys(told)], axis=1)

    found = by_rows(distances, evidence.pictures)
    least = np.where(np.isnan(found), np.inf, found).min(1)
    return np.where(np.isfinite(least), least, np.nan)


def _distances(pictures: np.ndarray) -> np.ndarray:
    """Mean pairwise 1 - cosine (C,) among the finite vectors of (C, N, E); NaN below two."""
    finite = np.isfinite(pictures).all(-1, keepdims=True)
    count = finite.sum((1, 2)).astype(np.float64)
    total = np.where(finite, pictures, 0.0).astype(np.float64).sum(1)
    pairs = np.where(count > 1, count * (count - 1), np.nan)
    return 1 - ((total**2).sum(-1) - count) / pairs


def around(values: np.ndarray, half: float) -> np.ndarray:
    """Intervals (C, 2) that reach so far to either side of values (C,)."""
    return np.stack([values - half, values + half], axis=1)


def rows_mean(values: np.ndarray) -> np.ndarray:
    """Mean (C,) of the finite values of each row (C, N); NaN where a row has none."""
    finite = np.isfinite(values)
    count = finite.sum(1)
    return np.where(finite, values, 0.0).sum(1, dtype=np.float64) / np.where(count > 0, count, np.nan)
