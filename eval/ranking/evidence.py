"""What was seen of a grid, as arrays: the only input of the ranking. Models made it, no model is needed to judge it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from eval.ranking.missing_pictures import LeftOut
from eval.request.cells import Called
from eval.request.epochs.training_order import Trained
from eval.request.settings import UNVARIED, Setting
from eval.request.units import Unit
from eval.wording.figure_texts import cell_name
from eval.wording.subject_words import SubjectWords, words_of
from loras.weights import Weights

SUBJECT = "subject"
BLEED = "bleed"


@dataclass(frozen=True)
class CellFacts:
    """Who a row of the arrays is. `also` is the text of the other LoRAs blended in ("" for none).

    `on`: what it is drawn with, as far as that varies; `acts`: whether it moves anything, so that it is not the base
    model itself; `guest`: what it is called by, where it is not one's own.
    """

    id: str
    checkpoint: str
    epoch: int | None
    weights: Weights
    also: str
    step: int | None = None
    on: Setting = UNVARIED
    acts: bool = True
    guest: Called | None = None

    @property
    def trained(self) -> Trained:
        """What its checkpoint's place in the order of training follows from."""
        return Trained(self.epoch, self.step, self.checkpoint)

    @property
    def name(self) -> str:
        """What the cell is called."""
        return cell_name(self.checkpoint, self.weights, self.also, str(self.on))


@dataclass(frozen=True)
class Appearances:
    """How the subject looks in each picture (`base_models.vision.appearance`), unit vectors, NaN where it was not seen.

    pictures (C, U, L); control (U, L), the base model's; references (R, L), held out; training (T, L), trained on;
    training_names (T,): their files' names, () where they are not known.
    """

    pictures: np.ndarray
    control: np.ndarray
    references: np.ndarray
    training: np.ndarray
    training_names: Sequence[str] = ()


@dataclass(frozen=True)
class Evidence:
    """Everything the ranking reads. C cells, U units, R references; `*_control` is the base model's own row.

    faces (C, U, D): the largest face's unit embedding, NaN where no face was found; face_counts (C, U): faces found;
    pictures (C, U, E): CLIP's unit embedding of the picture; failed (C, U): black, flat or not finite, or not made;
    prompts (U, E): CLIP's unit embedding of the unit's prompt with the class word in the trigger's place;
    references (R, D): held-out pictures of the subject; training (T, D): those it was trained on (may be empty).
    `face_model`, `clip_model`: name and hash, for what is shown to a user; `licences`: what the scoring models of that
    name may be used for, where it is known.

    `subject` "image": likeness is CLIP's or DINOv2's, and `faces`, `faces_control`, `references`, `training` are that
    model's embeddings of whole pictures, `face_model` its name. `second`: the same grid as a second, independent face
    model sees it. `looks` None: not read. `left_out`: what is not here because pictures are gone. `remarks`: what is
    odd about the references, in sentences. `trigger`, `class_word`: what the prompts call the subject by, and what the
    base model is shown instead; "" where it is not known. `parts`: in how many parts CLIP read a unit's prompt. `on`:
    what the base model's own rows are drawn with, as far as that varies; cells of other settings may stand beside it.
    `imported`: the pictures were drawn elsewhere.
    """

    cells: list[CellFacts]
    units: list[Unit]
    faces: np.ndarray
    face_counts: np.ndarray
    pictures: np.ndarray
    failed: np.ndarray
    faces_control: np.ndarray
    face_counts_control: np.ndarray
    pictures_control: np.ndarray
    prompts: np.ndarray
    references: np.ndarray
    training: np.ndarray
    face_model: str
    clip_model: str
    subject: str = "face"
    second: Evidence | None = None
    looks: Appearances | None = None
    left_out: LeftOut | None = None
    remarks: Sequence[str] = ()
    licences: Mapping[str, str] = field(default_factory=dict[str, str])
    trigger: str = ""
    class_word: str = ""
    parts: Mapping[str, int] = field(default_factory=dict[str, int])
    on: Setting = UNVARIED
    imported: bool = False

    @property
    def words(self) -> SubjectWords:
        """What the subject's kind is called."""
        return words_of(self.subject, self.face_model)

    def where(self, role: str) -> np.ndarray:
        """Indices of the units of `role`."""
        return np.array([at for at, unit in enumerate(self.units) if unit.role == role], dtype=int)

    def prompts_of(self, role: str) -> list[str]:
        """The prompts of the units of `role`, one for each unit."""
        return [unit.prompt for unit in self.units if unit.role == role]


def without_vectors(evidence: Evidence) -> Evidence:
    """What is left to say of a grid once it is scored: the vectors, of thousands of pictures gigabytes, are empty."""

    def emptied(vectors: np.ndarray) -> np.ndarray:
        return np.empty((*vectors.shape[:-1], 0), dtype=vectors.dtype)

    named = ("faces", "pictures", "faces_control", "pictures_control", "prompts", "references", "training")
    looks = evidence.looks
    return replace(
        evidence,
        **{name: emptied(getattr(evidence, name)) for name in named},
        second=None if evidence.second is None else without_vectors(evidence.second),
        looks=None
        if looks is None
        else replace(
            looks, **{name: emptied(getattr(looks, name)) for name in ("pictures", "control", "references", "training")}
        ),
    )
