"""The loaded models as readers of pictures: faces, whole pictures by CLIP or DINOv2, and texts by CLIP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from base_models.vision.appearance import appearance_of
from base_models.vision.clip_model import ClipModel, load_clip
from base_models.vision.dino_model import DinoModel, load_dino
from base_models.vision.face_model import FaceModel
from base_models.vision.faces import load_faces
from eval.judging.judge_facts import JudgeFacts, Kind, appearance_key, box_key, named_by
from eval.request.spec import ScoreSection
from eval.store.tables import Reading, Readings
from foundation.progress import at_hand


@dataclass(frozen=True)
class Seen:
    """What a model reads from a picture, and what it looks like: the largest face, or the whole.

    `box`: the face's side in pixels, how many others are nearly as large, and the side in pixels that the model takes
    a face in at; None of a whole picture.
    """

    reading: Reading
    look: Reading
    box: Reading | None = None


@dataclass(frozen=True)
class FaceReader:
    """Reads the largest face of pictures (H, W, 3) RGB uint8."""

    model: FaceModel

    @property
    def facts(self) -> JudgeFacts:
        """Name, hash and licence of the face pack."""
        return JudgeFacts(name=self.model.name, sha256=self.model.sha256, licence=self.model.licence)

    def read(self, pictures: Sequence[np.ndarray]) -> list[Seen]:
        """Of each picture the largest face's unit embedding, how many faces there are, and how that face looks."""
        found = self.model.read_all(pictures)
        return [
            Seen(
                Reading(one.embedding, one.count),
                Reading(one.look, one.count),
                Reading(np.array([one.side, one.rivals, self.model.input_side], dtype=np.float32), one.count),
            )
            for one in found
        ]


@dataclass(frozen=True)
class ClipReader:
    """Reads whole pictures (H, W, 3) RGB uint8, and texts."""

    model: ClipModel

    @property
    def facts(self) -> JudgeFacts:
        """Name and hash of the model; open_clip's weights name no licence."""
        return JudgeFacts(name=self.model.name, sha256=self.model.sha256, licence="")

    def read(self, pictures: Sequence[np.ndarray]) -> list[Seen]:
        """Of each picture its unit vector, and how the whole looks."""
        return _whole(self.model, pictures)

    def read_texts(self, texts: Sequence[str]) -> list[Reading]:
        """The unit vector of each text, in the same space as those of pictures, and in how many parts it was read."""
        vectors, parts = self.model.embed_texts(texts), self.model.parts_of_texts(texts)
        return [Reading(vector, count) for vector, count in zip(vectors, parts, strict=True)]


@dataclass(frozen=True)
class DinoReader:
    """Reads whole pictures (H, W, 3) RGB uint8."""

    model: DinoModel

    @property
    def facts(self) -> JudgeFacts:
        """Name, hash and licence of the model."""
        return JudgeFacts(name=self.model.name, sha256=self.model.sha256, licence=self.model.licence)

    def read(self, pictures: Sequence[np.ndarray]) -> list[Seen]:
        """Of each picture its unit vector, and how the whole looks."""
        return _whole(self.model, pictures)


AnyReader = FaceReader | ClipReader | DinoReader


@dataclass(frozen=True)
class Models:
    """The loaded models that read pictures beside their rendering. The first is that of likeness, and keeps looks."""

    readers: tuple[AnyReader, ...]

    @classmethod
    def load(cls, score: ScoreSection) -> Models:
        """Load all that [score] names. Raises FacePackError, ClipError or DinoError."""
        return cls(tuple(reader_of(kind, name) for kind, name in named_by(score)))

    def read(self, pictures: Mapping[str, np.ndarray]) -> Readings:
        """What all of them see in pictures (H, W, 3) RGB uint8, by id."""
        found: Readings = {}
        for at, reader in enumerate(self.readers):
            seen = dict(zip(pictures, reader.read(list(pictures.values())), strict=True))
            found |= as_kept(reader.facts.sha256, seen, with_looks=at == 0)
        return found


def as_kept(sha256: str, seen: Mapping[str, Seen], *, with_looks: bool) -> Readings:
    """What a model saw of pictures, by their ids, under the keys that a store keeps it by."""
    found = {sha256: {one: what.reading for one, what in seen.items()}}
    return found | {appearance_key(sha256): {one: what.look for one, what in seen.items()}} if with_looks else found


def boxes_kept(sha256: str, seen: Mapping[str, Seen]) -> Readings:
    """The boxes of the faces that a model saw, by the pictures' ids, under the key that a store keeps them by."""
    return {box_key(sha256): {one: what.box for one, what in seen.items() if what.box is not None}}


def reader_of(kind: Kind, name: str) -> AnyReader:
    """Load a model by its name or folder. Raises FacePackError, ClipError or DinoError."""
    loaders: dict[Kind, Callable[[str], AnyReader]] = {
        "faces": lambda name: FaceReader(load_faces(name)),
        "clip": lambda name: ClipReader(load_clip(name)),
        "dinov2": lambda name: DinoReader(load_dino(name)),
    }
    with at_hand().waiting(f"loading the judging model {name}"):
        return loaders[kind](name)


def _whole(model: ClipModel | DinoModel, pictures: Sequence[np.ndarray]) -> list[Seen]:
    vectors, looks = model.embed_pictures(pictures), map(appearance_of, pictures)
    return [Seen(Reading(vector), Reading(look)) for vector, look in zip(vectors, looks, strict=True)]
