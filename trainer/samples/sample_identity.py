"""Identity of sample pictures: faces against the centroid of held-out pictures of the subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from base_models.drawing.png import read_picture
from base_models.pictures.listing import list_pictures_below
from base_models.pictures.near_duplicates import Sketch, same_pictures, sketch
from base_models.pictures.picture_file import UnreadablePictureError
from base_models.vision.face_model import FaceModel
from base_models.vision.faces import load_faces
from base_models.vision.folder_check import FaceFacts, NoFaceError, look_at_folders
from base_models.vision.likeness import NO_OTHERS, at_the_floor, ceiling, centroid, floors, mean_interval
from foundation.errors import ConfigurationError, MissingFileError
from foundation.files import sha256_of
from trainer.data.dataset import Dataset
from trainer.samples.curve import FaceScale, Identity


class TrainedReferenceError(ConfigurationError):
    """A reference that is trained on, so that likeness to it proves nothing."""


@dataclass(frozen=True)
class Allowed:
    """What references may be, though likeness to them then says little: trained on; of others, or all one picture."""

    trained: bool = False
    others: bool = False


@dataclass(frozen=True)
class IdentityMeasure:
    """A face model and the subject's `direction` (D,), the unit centroid of the references' faces.

    `remarks`: what is odd about the references and training pictures, in sentences.
    """

    faces: FaceModel
    direction: np.ndarray
    scale: FaceScale
    remarks: tuple[str, ...] = ()

    def cosines(self, pictures: Sequence[Path]) -> np.ndarray:
        """(N,) of each picture's largest face with the subject; NaN without a face."""
        embeddings = [self.faces.read(read_picture(path)).embedding for path in pictures]
        return np.array([np.nan if one is None else float(one @ self.direction) for one in embeddings])


def open_identity_measure(
    faces: str, folder: Path | None, dataset: Dataset, drawn_side: int = 512, allowed: Allowed = Allowed()
) -> IdentityMeasure:
    """The measure on the pictures of `folder`, or without one on what the run holds out. The CPU reads the faces.

    `drawn_side`: the shorter side of the samples. Raises FacePackError; MissingFileError or ConfigurationError where
    there is no reference, or none shows a face; and unless it is allowed, TrainedReferenceError, and what
    `base_models.vision.folder_check` names.
    """
    paths = [sample.path for sample in dataset.held_out] if folder is None else _pictures(folder)
    if not paths:
        raise ConfigurationError(
            "samples.faces measures identity against pictures that are not trained on, and there are none: "
            "give samples.references a folder of them, or leave `faces` out"
        )
    return measure_on(faces, paths, dataset, drawn_side, allowed)


def measure_on(
    faces: str, paths: Sequence[Path], dataset: Dataset, drawn_side: int = 512, allowed: Allowed = Allowed()
) -> IdentityMeasure:
    """The measure on these pictures. Raises as `open_identity_measure` does."""
    sketches = [_sketched(path) for path in paths]
    if not allowed.trained:
        check_not_trained_on(paths, sketches, dataset)
    model = load_faces(faces, device="cpu")
    facts = [_facts_of(model, path, _read(path)) for path in paths]
    references = np.array([one.embedding for one in facts if one.embedding is not None])
    if not len(references):
        raise NoFaceError(paths[0].parent, model.name)
    trained = [_facts_of(model, one.path, look) for one in dataset.train if (look := _readable(one.path)) is not None]
    copies = same_pictures(sketches, sketches)
    findings = look_at_folders(facts, trained, copies, drawn_side)
    if findings.error is not None and not allowed.others:
        raise findings.error
    return replace(_measure(model, references), remarks=tuple(findings.remarks))


def _measure(model: FaceModel, references: np.ndarray) -> IdentityMeasure:
    alike = ceiling(references)
    scale = FaceScale(
        model=model.name,
        sha256=model.sha256,
        licence=model.licence,
        references=len(references),
        ceiling=float(alike) if np.isfinite(alike) else None,
    )
    return IdentityMeasure(model, centroid(references), scale)


def check_not_trained_on(paths: Sequence[Path], sketches: Sequence[Sketch], dataset: Dataset) -> None:
    """Raise TrainedReferenceError where a reference is a training picture, by content or changed a little."""
    trained = {sha256_of(sample.path): sample.path for sample in dataset.train}
    advice = "so it proves nothing as a reference; move it out, or go on with --force"
    if shared := [path for path in paths if sha256_of(path) in trained]:
        raise TrainedReferenceError(f"{shared[0]}: is trained on, {advice}")
    known = [(path, look) for path in trained.values() if (look := _sketch_if_readable(path)) is not None]
    if pairs := same_pictures(sketches, [look for _, look in known]):
        reference, twin = paths[pairs[0][0]], known[pairs[0][1]][0]
        raise TrainedReferenceError(f"{reference}: is the training picture {twin}, changed a little, {advice}")


def _facts_of(model: FaceModel, path: Path, picture: np.ndarray) -> FaceFacts:
    found = model.read(picture)
    return FaceFacts(path, found.embedding, found.side, found.rivals, model.input_side)


def identity_of(cosines: np.ndarray, base: np.ndarray) -> Identity | None:
    """Of one epoch's cosines (N,); `base` (N,) are the base model's with the same prompts and seeds.

    None where neither has a face: nothing was measured.
    """
    if not np.isfinite(cosines).any() and not np.isfinite(base).any():
        return None
    counted = at_the_floor(cosines, floors(base, NO_OTHERS))
    low, high = mean_interval(counted) or (None, None)
    return Identity(mean=float(counted.mean()), low=low, high=high, faces=int(np.isfinite(cosines).sum()))


def _read(path: Path) -> np.ndarray:
    try:
        return read_picture(path)
    except UnreadablePictureError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: UnreadablePictureError) -> ConfigurationError:
    return ConfigurationError(f"{path}: {error.fault}, and identity is measured against it; replace or remove it")


def _sketched(path: Path) -> Sketch:
    """Raises ConfigurationError for what is no picture."""
    try:
        return sketch(path)
    except UnreadablePictureError as error:
        raise _unreadable(path, error) from error


def _sketch_if_readable(path: Path) -> Sketch | None:
    try:
        return sketch(path)
    except UnreadablePictureError:
        return None


def _readable(path: Path) -> np.ndarray | None:
    """None for a training picture that cannot be read: it is named where it is to be encoded."""
    try:
        return read_picture(path)
    except UnreadablePictureError:
        return None


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder; samples.references holds pictures of the subject")
    found = list_pictures_below(folder)
    found.check()
    return list(found.pictures)
