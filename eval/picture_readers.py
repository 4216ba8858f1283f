"""The loaded models as readers of pictures: faces by insightface, whole pictures and texts by open_clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.clip_model import ClipModel, load_clip
from eval.judges import JudgeFacts
from eval.spec import ScoreSection
from eval.store import Reading, Readings
from trainer.faces import FaceModel, load_faces


@dataclass(frozen=True)
class FaceReader:
    """Reads the largest face of pictures (H, W, 3) RGB uint8."""

    model: FaceModel

    @property
    def facts(self) -> JudgeFacts:
        return JudgeFacts(name=self.model.name, sha256=self.model.sha256, licence=self.model.licence)

    def read(self, pictures: Sequence[np.ndarray]) -> list[Reading]:
        return [Reading(one.embedding, one.count) for one in self.model.read_all(pictures)]


@dataclass(frozen=True)
class ClipReader:
    """Reads whole pictures (H, W, 3) RGB uint8, and texts."""

    model: ClipModel

    @property
    def facts(self) -> JudgeFacts:
        return JudgeFacts(name=self.model.name, sha256=self.model.sha256, licence="")

    def read(self, pictures: Sequence[np.ndarray]) -> list[Reading]:
        return [Reading(vector) for vector in self.model.embed_pictures(pictures)]

    def read_texts(self, texts: Sequence[str]) -> list[Reading]:
        return [Reading(vector) for vector in self.model.embed_texts(texts)]


@dataclass(frozen=True)
class Models:
    """The loaded models that read pictures beside their rendering."""

    readers: tuple[FaceReader | ClipReader, ...]

    @classmethod
    def load(cls, score: ScoreSection) -> Models:
        packs = [] if score.subject == "image" else [score.faces, *([score.second_faces] if score.second_faces else [])]
        return cls((*map(face_reader, packs), clip_reader(score.clip)))

    def read(self, pictures: Mapping[str, np.ndarray]) -> Readings:
        """What all of them see in pictures (H, W, 3) RGB uint8, by id."""
        shown = list(pictures.values())
        return {one.facts.sha256: dict(zip(pictures, one.read(shown), strict=True)) for one in self.readers}


def face_reader(name: str) -> FaceReader:
    return FaceReader(load_faces(name))


def clip_reader(name: str) -> ClipReader:
    return ClipReader(load_clip(name))
