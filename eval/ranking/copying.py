"""Copying: whether pictures repeat training pictures, as a share of the way to one. Pure: arrays in, arrays out.

C cells, S subject units, P judged prompts, N pictures of one of them. `docs/scoring.md` says why it is defined so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import comb, nan, sqrt

import numpy as np
import scipy

from eval.ranking.bare_prompts import telling_units
from eval.ranking.evidence import SUBJECT, Appearances, Evidence
from eval.statistics.intervals import strata, within_sd
from eval.statistics.row_blocks import by_rows

# What a lost face counts, and what no picture exceeds: the copied picture itself.
A_COPY = 1.0
# As many pictures of the grid's mean stand beside each prompt's own pictures of the base model, since two seeds tell
# little of what is usual there; of 0 to 4, and the mean alone, 4 told most planted copies from clean LoRAs.
BORROWED = 4


@dataclass(frozen=True)
class Copying:
    """Every picture's share of the way from what the base model shows (0) to the nearest training picture itself (1).

    `prompts` (S,); `shares` (C, S), NaN without a face; `judged` (S,): the units that tell (bare prompts, where there
    are any), if the base model shows a face there. `half`: half the width of a prompt's 95 % interval, NaN where the
    base model's pictures are too few to give one. `nearest` (C, S): which training picture each is nearest to, whose
    files' names are `names` ([]: not known).
    """

    prompts: list[str]
    shares: np.ndarray
    judged: np.ndarray
    half: float = nan
    nearest: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=int))
    names: Sequence[str] = ()

    @cached_property
    def judged_prompts(self) -> list[str]:
        """The prompts (P,) of the units that are judged."""
        return list(dict.fromkeys(prompt for prompt, judged in zip(self.prompts, self.judged, strict=True) if judged))

    @cached_property
    def counted(self) -> np.ndarray:
        """The shares (C, S) as they are judged: a lost face counts as a copy, whatever else it may have been."""
        return np.where(np.isnan(self.shares), A_COPY, self.shares)

    def units_of(self, prompt: str) -> np.ndarray:
        """The judged units of a prompt."""
        return np.flatnonzero(self.judged & (np.array(self.prompts) == prompt))

    @cached_property
    def of_prompts(self) -> np.ndarray:
        """Each judged prompt (C, P): the mean over its seeds, but for the one that copies most (`all_but_one`)."""
        found = [all_but_one(self.counted[:, self.units_of(prompt)]).mean(1) for prompt in self.judged_prompts]
        return np.stack(found, axis=1) if found else np.empty((len(self.shares), 0))

    @cached_property
    def value(self) -> np.ndarray:
        """Of the prompt (C,) that copies most; NaN where nothing is judged."""
        return self.of_prompts.max(1) if self.judged_prompts else np.full(len(self.shares), nan)

    @cached_property
    def worst(self) -> np.ndarray:
        """The prompt (C,) that copies most, by its number among the judged."""
        return self.of_prompts.argmax(1) if self.judged_prompts else np.zeros(len(self.shares), dtype=int)

    def worst_units(self, cell: int) -> np.ndarray:
        """The judged units of the prompt that a cell copies most on."""
        return self.units_of(self.judged_prompts[int(self.worst[cell])])

    @cached_property
    def interval(self) -> np.ndarray:
        """Its 95 % interval (C, 2): how far pictures that copy nothing scatter, and the choice of the worst prompt."""
        ends = np.stack([self.value - self.half, self.value + self.half], axis=1)
        return np.clip(ends, -A_COPY, A_COPY)

    @cached_property
    def lost(self) -> np.ndarray:
        """How many faces (C,) a cell has lost that the base model shows on the judged units."""
        return (np.isnan(self.shares) & self.judged).sum(1)

    @cached_property
    def pictures(self) -> np.ndarray:
        """What makes the value (C,): shares (C, N) of the worst prompt, rising; NaN where it has fewer than another."""
        return self._of_worst(self.counted)

    @cached_property
    def pictures_seen(self) -> np.ndarray:
        """The same (C, N) of the faces that are there, a lost one counting as no copy."""
        return self._of_worst(np.where(np.isnan(self.shares), 0.0, self.shares))

    def _of_worst(self, shares: np.ndarray) -> np.ndarray:
        own: list[np.ndarray] = [self.units_of(prompt) for prompt in self.judged_prompts]
        counts: list[int] = [max(1, one.size - 1) for one in own]
        found = np.full((len(self.shares), max(counts, default=0)), nan)
        for cell in range(len(found) if own else 0):
            kept = all_but_one(shares[[cell]][:, self.worst_units(cell)])[0]
            found[cell, : kept.size] = kept
        return found


def all_but_one(shares: np.ndarray) -> np.ndarray:
    """Shares (C, N) in rising order without the largest of each row, where there are two or more.

    One picture may be near a training picture by chance, and one lost face may have been anything: a prompt is not
    judged by it alone. What is left only grows with any share, so losing faces still helps no cell.
    """
    return np.sort(shares, axis=1)[:, : max(1, shares.shape[1] - 1)]


def copying_of(evidence: Evidence, control: np.ndarray) -> Copying:
    """How far each picture repeats a training picture; `control` (S,) are the base model's identities.

    Nothing is judged without training looks, with fewer than two held-out ones, or where no picture of the whole grid,
    the base model's included, shows anything to compare.
    """
    at, looks, prompts = evidence.where(SUBJECT), evidence.looks, evidence.prompts_of(SUBJECT)
    if looks is None or not _shows_anything(looks, at) or not len(looks.training) or len(looks.references) < 2:
        return Copying(prompts, np.full((len(evidence.cells), len(at)), nan), np.zeros(len(at), dtype=bool))
    near, nearest = _near_of_all(evidence, looks, at)
    near_control = nearness(looks.control[at], looks)
    usual = usual_margins(near_control.margin, prompts)
    by_looks = share_of_way(near.margin - usual, near.training)
    shares = np.minimum(by_looks, faces_share(evidence))
    judged = of_several_seeds(judged_units(telling_units(evidence), np.isfinite(control)), prompts)
    scatter = share_of_way(near_control.margin - usual, near_control.training)
    return Copying(prompts, shares, judged, half_width(scatter, prompts, judged), nearest, looks.training_names)


def _shows_anything(looks: Appearances, at: np.ndarray) -> bool:
    finite = by_rows(lambda rows: np.isfinite(looks.pictures[rows][:, at]).sum((1, 2)), looks.pictures)
    return bool(finite.any() or np.isfinite(looks.control[at]).any())


def _near_of_all(evidence: Evidence, looks: Appearances, at: np.ndarray) -> tuple[Nearness, np.ndarray]:
    """How near each picture (C, S) is, and to which training picture."""

    def near(rows: slice) -> np.ndarray:
        pictures = np.where(evidence.failed[rows][:, at, None], nan, looks.pictures[rows][:, at])
        own = nearness(pictures, looks)
        nearest = np.nan_to_num(pictures @ looks.training.T, nan=-1.0).argmax(-1)
        return np.stack([own.training, own.held_out, nearest], axis=-1)

    training, held_out, nearest = np.moveaxis(by_rows(near, looks.pictures), -1, 0)
    return Nearness(training, held_out), nearest.astype(int)


@dataclass(frozen=True)
class Nearness:
    """Correlation of looks (...) with the nearest training look, and with the nearest held-out one."""

    training: np.ndarray
    held_out: np.ndarray

    @property
    def margin(self) -> np.ndarray:
        """How much nearer the training pictures are."""
        return self.training - self.held_out


def nearness(pictures: np.ndarray, looks: Appearances) -> Nearness:
    """Of looks (..., L), both out of equally many, or the larger set would be nearer by itself."""
    count = min(len(looks.training), len(looks.references))
    return Nearness(*(expected_nearest(pictures @ one.T, count) for one in (looks.training, looks.references)))


def expected_nearest(cosines: np.ndarray, count: int) -> np.ndarray:
    """The largest of `count` of the N cosines (..., N), averaged over every choice of `count`; 0 < count <= N.

    Exact, so no subsample has to be drawn: the j-th smallest is the largest of C(j - 1, count - 1) of C(N, count).
    """
    total = cosines.shape[-1]
    weights = np.array([comb(rank, count - 1) / comb(total, count) for rank in range(total)])
    return np.sort(cosines, axis=-1) @ weights


def usual_margins(margins: np.ndarray, prompts: Sequence[str]) -> np.ndarray:
    """The margin (S,) that is usual at each prompt, by the base model's own pictures, who has copied nothing.

    The mean over the prompt's seeds, with BORROWED pictures of the mean over all. 0 where the base model shows no face.
    """
    seen = np.isfinite(margins)
    if not seen.any():
        return np.zeros(len(margins))
    names, overall = np.array(prompts), margins[seen].mean()
    own = [margins[seen & (names == name)] for name in prompts]
    return np.array([(one.sum() + BORROWED * overall) / (len(one) + BORROWED) for one in own])


def share_of_way(beyond: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Nearer by `beyond` (...), with a correlation of `nearest` (...): which share of the way to the picture itself.

    1 is the picture itself, 0 nothing beyond what is usual; farther than usual is below 0 on the same scale, to -1.
    """
    left = np.maximum(0.0, 1.0 - nearest)
    way = np.abs(beyond) + left
    return np.where(way > 0, beyond / np.where(way > 0, way, 1.0), np.where(np.isnan(way), nan, 0.0))


def faces_share(evidence: Evidence) -> np.ndarray:
    """How far (C, S) each face has gone from the base model's faces (0) to the nearest training face (1).

    A picture that repeats one of the subject shows the subject: looks that are near by chance, of somebody else, are
    no copy. 1 where there are no training faces to tell by.
    """
    at = evidence.where(SUBJECT)
    if not len(evidence.training):
        return np.ones((len(evidence.cells), len(at)))
    faces = evidence.faces
    cosines = by_rows(lambda rows: (faces[rows][:, at] @ evidence.training.T).max(-1), faces)
    control = (evidence.faces_control[at] @ evidence.training.T).max(-1)
    seen = np.isfinite(control)
    start = float(control[seen].mean()) if seen.any() else 0.0
    return np.clip((cosines - start) / max(1.0 - start, 1e-6), 0.0, 1.0)


def judged_units(telling: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The units (S,) on which copying is judged: of those that tell, those in which the base model shows a face.

    A prompt that shows no face without the LoRA costs no cell a face. Where it shows none in what tells, any in which
    it shows one; where it shows none at all, all that tell.
    """
    if not seen.any():
        return telling
    return telling & seen if (telling & seen).any() else seen


def of_several_seeds(judged: np.ndarray, prompts: Sequence[str]) -> np.ndarray:
    """The judged units (S,) without those of prompts of which one picture is judged, unless there are no others."""
    names = np.array(prompts)
    several = np.array([(judged & (names == name)).sum() > 1 for name in prompts], dtype=bool)
    return judged & several if (judged & several).any() else judged


def half_width(scatter: np.ndarray, prompts: Sequence[str], judged: np.ndarray) -> float:
    """Half the 95 % interval of the worst judged prompt: by how far the base model's shares (S,) scatter around their
    prompt's mean. It copies nothing, so that is chance; and no face that a cell loses changes it.

    As wide for every prompt as for the one of fewest seeds, and Bonferroni for the choice of the worst. NaN where one
    picture would have to tell by itself.
    """
    seen = np.isfinite(scatter)
    names = [prompt for prompt, known in zip(prompts, seen, strict=True) if known]
    counts = [int((judged & (np.array(prompts) == name)).sum()) for name in dict.fromkeys(prompts)]
    counts = [count for count in counts if count]
    freedom = len(names) - len(strata(names))
    fewest = min(counts, default=0)
    if freedom < 1 or fewest < 2:
        return nan
    sd = float(within_sd(scatter[seen][None], names)[0])
    return (
        float(scipy.special.stdtrit(freedom, 1 - 0.025 / len(counts))) * sd * sqrt(1 / fewest + 1 / (fewest + BORROWED))
    )
