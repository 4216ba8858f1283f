"""Has each picture, reference and prompt of a grid read by the face model and by CLIP, once, and keeps the readings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from eval.clip_model import ClipModel, load_clip
from eval.plan import PlannedPicture
from eval.prompts import Prompt
from eval.references import References
from eval.spec import ScoreSection
from eval.store import Reading, Readings, Store
from trainer.drawing.png import read_picture
from trainer.errors import ConfigurationError
from trainer.faces import FaceModel, load_faces
from trainer.progress import Reporter

CHUNK = 64


@dataclass(frozen=True)
class Models:
    """The models that read a grid: pictures are compared only within one face model and one CLIP."""

    faces: FaceModel
    clip: ClipModel

    @classmethod
    def load(cls, score: ScoreSection) -> Models:
        return cls(load_faces(score.faces), load_clip(score.clip))

    def read(self, pictures: Mapping[str, np.ndarray]) -> Readings:
        """What both see in pictures (H, W, 3) RGB uint8, by id."""
        shown = list(pictures.values())
        return {
            self.faces.sha256: dict(zip(pictures, self.read_faces(shown), strict=True)),
            self.clip.sha256: dict(zip(pictures, self.read_clip(shown), strict=True)),
        }

    def read_faces(self, pictures: list[np.ndarray]) -> list[Reading]:
        seen = [self.faces.read(picture) for picture in pictures]
        return [Reading(one.embedding, one.count) for one in seen]

    def read_clip(self, pictures: list[np.ndarray]) -> list[Reading]:
        return [Reading(vector) for vector in self.clip.embed_pictures(pictures)]


class Reader:
    """Fills a store with the readings that are not there yet. Models are loaded when first needed, and kept."""

    def __init__(self, score: ScoreSection, store: Store, reporter: Reporter) -> None:
        self._score, self._store, self._reporter = score, store, reporter

    @cached_property
    def models(self) -> Models:
        return Models.load(self._score)

    def read_pictures(self, pictures: Iterable[PlannedPicture]) -> None:
        """Have both models see every picture that they have not."""
        for model, read, title in (
            (self.models.faces.sha256, self.models.read_faces, "finding faces"),
            (self.models.clip.sha256, self.models.read_clip, "scoring prompts"),
        ):
            missing = list(self._store.unread(model, (picture.id for picture in pictures)))
            self._read(model, missing, self._store.picture_path, read, title)

    def read_references(self, references: References) -> None:
        """Raises ConfigurationError where no held-out reference shows a face."""
        faces = self.models.faces
        known = references.held_out | references.training
        missing = list(self._store.unread(faces.sha256, known))
        self._read(faces.sha256, missing, known.__getitem__, self.models.read_faces, "finding faces")
        found = self._store.readings_of(faces.sha256, references.held_out)
        if all(reading.vector is None for reading in found.values()):
            folder = next(iter(references.held_out.values())).parent
            raise ConfigurationError(f"{folder}: the face model {faces.name} finds no face in any reference picture")

    def read_prompts(self, prompts: Iterable[Prompt]) -> None:
        """The texts that pictures are compared with: those of the class, in words alone."""
        clip = self.models.clip
        texts = list(self._store.unread(clip.sha256, sorted({prompt.said for prompt in prompts})))
        vectors = clip.embed_texts(texts)
        self._store.add_readings(clip.sha256, {text: Reading(v) for text, v in zip(texts, vectors, strict=True)})

    def _read(
        self,
        model: str,
        subjects: list[str],
        place: Callable[[str], Path],
        read: Callable[[list[np.ndarray]], list[Reading]],
        title: str,
    ) -> None:
        if not subjects:
            return
        advance = self._reporter.task(title, len(subjects))
        for at in range(0, len(subjects), CHUNK):
            chunk = subjects[at : at + CHUNK]
            found = read([read_picture(place(subject)) for subject in chunk])
            self._store.add_readings(model, dict(zip(chunk, found, strict=True)))
            advance(len(chunk))
