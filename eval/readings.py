"""Has each picture, reference and prompt of a grid read by the face model and by CLIP, once, and keeps the readings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.clip_model import ClipModel, load_clip
from eval.faces import FaceModel, load_faces
from eval.plan import Plan
from eval.png import read_picture
from eval.references import References
from eval.spec import GridSpec
from eval.store import Reading, Store
from trainer.errors import ConfigurationError
from trainer.progress import Reporter

CHUNK = 64


@dataclass(frozen=True)
class Models:
    """The models that read a grid: pictures are compared only within one face model and one CLIP."""

    faces: FaceModel
    clip: ClipModel


def read_everything(spec: GridSpec, plan: Plan, references: References, store: Store, reporter: Reporter) -> Models:
    """Fill the store with every reading that the grid's ranking needs and that is not there yet.

    Raises ConfigurationError where no held-out reference shows a face.
    """
    models = Models(load_faces(spec.score.faces), load_clip(spec.score.clip))
    pictures = {one.id: store.picture_path(one.id) for batch in plan.batches for one in batch.pictures}
    known = references.held_out | references.training
    _read_missing(models.faces.sha256, pictures | known, _face_reader(models.faces), store, reporter, "finding faces")
    _read_missing(models.clip.sha256, pictures, _clip_reader(models.clip), store, reporter, "scoring prompts")
    texts = {prompt.class_text for prompt in plan.prompts.values()} - store.readings(models.clip.sha256).keys()
    if texts:
        vectors = models.clip.embed_texts(sorted(texts))
        store.add_readings(
            models.clip.sha256, {text: Reading(v) for text, v in zip(sorted(texts), vectors, strict=True)}
        )
    faces = store.readings(models.faces.sha256)
    if all(faces[sha].vector is None for sha in references.held_out):
        raise ConfigurationError(
            f"{spec.references.held_out}: the face model {models.faces.name} finds no face in any reference picture"
        )
    return models


def _read_missing(
    model: str,
    subjects: dict[str, Path],
    read: Callable[[list[np.ndarray]], Iterable[Reading]],
    store: Store,
    reporter: Reporter,
    title: str,
) -> None:
    there = store.readings(model)
    missing = [subject for subject in subjects if subject not in there]
    if not missing:
        return
    advance = reporter.task(title, len(missing))
    for at in range(0, len(missing), CHUNK):
        chunk = missing[at : at + CHUNK]
        found = read([read_picture(subjects[subject]) for subject in chunk])
        store.add_readings(model, dict(zip(chunk, found, strict=True)))
        advance(len(chunk))


def _face_reader(model: FaceModel) -> Callable[[list[np.ndarray]], list[Reading]]:
    def read(pictures: list[np.ndarray]) -> list[Reading]:
        seen = [model.read(picture) for picture in pictures]
        return [Reading(one.embedding, one.count) for one in seen]

    return read


def _clip_reader(model: ClipModel) -> Callable[[list[np.ndarray]], list[Reading]]:
    return lambda pictures: [Reading(vector) for vector in model.embed_pictures(pictures)]
