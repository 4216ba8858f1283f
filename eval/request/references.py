"""Pictures of the subject: held-out ones that define who it is, and those it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from base_models.drawing.png import read_picture
from base_models.vision.near_duplicates import NEARLY_THE_SAME, likeness, small
from eval.request.spec import ReferencesSection
from foundation.errors import ConfigurationError, MissingFileError
from foundation.files import sha256_of
from trainer.data.pictures import UNREADABLE

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


class UnreadablePictureError(ConfigurationError):
    """A picture file that is damaged, of an unknown kind, or too large to be one."""


class TrainedReferenceError(ConfigurationError):
    """A held-out picture that was trained on."""


@dataclass(frozen=True)
class References:
    """Picture files by the hash of their contents."""

    held_out: dict[str, Path]
    training: dict[str, Path]


def find_references(section: ReferencesSection) -> References:
    """Find the pictures, folders below included.

    Raises MissingFileError for a folder that is not there, ConfigurationError where there are no held-out pictures,
    TrainedReferenceError (unless `allow_trained`) where one of them was trained on: then it would prove nothing.
    """
    held_out = pictures_below(section.held_out)
    if not held_out:
        raise ConfigurationError(
            f"{section.held_out}: zero reference pictures; put at least one (better 12) of the subject there"
        )
    found = References(held_out, pictures_below(section.training) if section.training else {})
    if not section.allow_trained:
        check_held_out(found)
    return found


def check_held_out(references: References) -> None:
    """Raise TrainedReferenceError where a held-out picture is in the training set, by content or nearly so."""
    advice = "a reference must not be trained on; move it out, or set allow_trained (`eval score --force`)"
    if shared := references.held_out.keys() & references.training.keys():
        raise TrainedReferenceError(f"{references.held_out[min(shared)]}: is also in the training set; {advice}")
    if twin := nearest_pair(references):
        raise TrainedReferenceError(f"{twin[0]}: is nearly the training picture {twin[1]}; {advice}")


def nearest_pair(references: References) -> tuple[Path, Path] | None:
    """A held-out and a training picture that are the same to the eye: resized, recompressed, brightened or mirrored.

    Told by the correlation of both at 32 x 32 pixels (`base_models.vision.near_duplicates`). A crop is not seen.
    """
    own = [(path, _small(path)) for path in references.held_out.values()]
    trained = [(path, _small(path)) for path in references.training.values()]
    pairs = [(likeness(one, other), path, twin) for path, one in own for twin, other in trained]
    closest, path, twin = max(pairs, default=(0.0, Path(), Path()), key=lambda pair: pair[0])
    return (path, twin) if closest >= NEARLY_THE_SAME else None


def pictures_below(folder: Path) -> dict[str, Path]:
    """The picture files of a folder and of folders below it, by content. Raises MissingFileError."""
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder of pictures")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return {sha256_of(path): path for path in found}


def read_whole(path: Path, advice: str) -> np.ndarray:
    """A picture as (H, W, 3) uint8, upright. Raises MissingFileError or UnreadablePictureError, with what to do."""
    if not path.is_file():
        raise MissingFileError(f"{path}: is gone, and it has to be read; {advice}")
    try:
        return read_picture(path)
    except UNREADABLE as error:
        raise UnreadablePictureError(f"{path}: not a picture that can be read ({error}); {advice}") from error


def _small(path: Path) -> np.ndarray:
    try:
        return small(path)
    except UNREADABLE as error:
        raise UnreadablePictureError(f"{path}: not a picture that can be read ({error}); replace it") from error
