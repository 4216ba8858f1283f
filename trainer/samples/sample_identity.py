"""Identity of sample pictures: faces against the centroid of held-out pictures of the subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from base_models.drawing.png import read_picture
from base_models.vision.face_model import FaceModel
from base_models.vision.faces import load_faces
from base_models.vision.likeness import NO_OTHERS, at_the_floor, ceiling, centroid, floors, mean_interval
from foundation.errors import ConfigurationError, MissingFileError
from foundation.files import sha256_of
from trainer.data.dataset import PICTURES, Dataset
from trainer.data.pictures import UNREADABLE
from trainer.samples.curve import FaceScale, Identity


@dataclass(frozen=True)
class IdentityMeasure:
    """A face model and the subject's `direction` (D,), the unit centroid of the references' faces."""

    faces: FaceModel
    direction: np.ndarray
    scale: FaceScale

    def cosines(self, pictures: Sequence[Path]) -> np.ndarray:
        """(N,) of each picture's largest face with the subject; NaN without a face."""
        embeddings = [self.faces.read(read_picture(path)).embedding for path in pictures]
        return np.array([np.nan if one is None else float(one @ self.direction) for one in embeddings])


def open_identity_measure(faces: str, folder: Path | None, dataset: Dataset) -> IdentityMeasure:
    """The measure on the pictures of `folder`, or without one on what the run holds out. The CPU reads the faces.

    Raises FacePackError; MissingFileError or ConfigurationError where there is no reference, one was trained on, or
    none shows a face.
    """
    paths = [sample.path for sample in dataset.held_out] if folder is None else _pictures(folder)
    if not paths:
        raise ConfigurationError(
            "samples.faces measures identity against pictures that are not trained on, and there are none: "
            "give samples.references a folder of them, or leave `faces` out"
        )
    trained = {sha256_of(sample.path): sample.path for sample in dataset.train}
    if shared := [path for path in paths if sha256_of(path) in trained]:
        raise ConfigurationError(f"{shared[0]}: is trained on, so it proves nothing as a reference; move it out")
    model = load_faces(faces, device="cpu")
    read = [model.read(_read(path)).embedding for path in paths]
    references = np.array([one for one in read if one is not None])
    if not len(references):
        raise ConfigurationError(f"{paths[0].parent}: no face in the references; identity is measured against them")
    alike = ceiling(references)
    scale = FaceScale(
        model=model.name,
        sha256=model.sha256,
        licence=model.licence,
        references=len(references),
        ceiling=float(alike) if np.isfinite(alike) else None,
    )
    return IdentityMeasure(model, centroid(references), scale)


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
    except UNREADABLE as error:
        raise ConfigurationError(
            f"{path}: cannot be read as a picture ({error}), and identity is measured against it; replace or remove it"
        ) from error


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder; samples.references holds pictures of the subject")
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
