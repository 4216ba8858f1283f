"""Pictures of the subject: held-out ones that define who it is, and those it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from base_models.drawing.png import read_picture
from base_models.pictures.listing import PICTURES, list_pictures_below
from base_models.pictures.near_duplicates import Sketch, same_pictures, sketch
from base_models.pictures.picture_file import UnreadablePictureError, reading_sha256
from eval.request.spec import ReferencesSection
from foundation.errors import ConfigurationError, MissingFileError


class TrainedReferenceError(ConfigurationError):
    """A held-out picture that was trained on."""


@dataclass(frozen=True)
class References:
    """Picture files by the hash of their contents. `remarks`: what is odd about them, in sentences."""

    held_out: dict[str, Path]
    training: dict[str, Path]
    remarks: tuple[str, ...] = ()

    @property
    def sketches(self) -> list[Sketch]:
        """Of the held-out pictures, by which copies are known."""
        return [sketch(path) for path in self.held_out.values()]


def find_references(section: ReferencesSection) -> References:
    """Find the pictures, folders below included.

    Raises MissingFileError for a folder that is not there, ConfigurationError where there are no held-out pictures,
    TrainedReferenceError (unless `allow_trained`) where one of them was trained on: then it would prove nothing.
    """
    held_out = pictures_below(section.held_out)
    if not held_out:
        raise ConfigurationError(
            f"{section.held_out}: zero reference pictures ({', '.join(PICTURES)}); put at least one (better 12) of the "
            "subject there"
        )
    found = References(held_out, pictures_below(section.training) if section.training else {})
    if not section.allow_trained:
        check_held_out(found)
    return found


def check_held_out(references: References) -> None:
    """Raise TrainedReferenceError where a held-out picture is in the training set, by content or nearly so."""
    advice = "a reference must not be trained on; move it out, or go on with --force (allow_trained)"
    if shared := references.held_out.keys() & references.training.keys():
        raise TrainedReferenceError(f"{references.held_out[min(shared)]}: is also in the training set; {advice}")
    if twin := nearest_pair(references):
        raise TrainedReferenceError(f"{twin[0]}: is the training picture {twin[1]}, changed a little; {advice}")


def nearest_pair(references: References) -> tuple[Path, Path] | None:
    """A held-out and a training picture that are one picture: whatever `base_models.pictures.near_duplicates` sees."""
    own, trained = list(references.held_out.values()), list(references.training.values())
    pairs = same_pictures([sketch(path) for path in own], [sketch(path) for path in trained])
    return (own[pairs[0][0]], trained[pairs[0][1]]) if pairs else None


def pictures_below(folder: Path) -> dict[str, Path]:
    """The picture files of a folder and of folders below it, by content.

    Raises MissingFileError, and UnusablePicturesError for what has a picture's name and cannot be opened.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder of pictures")
    found = list_pictures_below(folder)
    found.check()
    return {reading_sha256(path): path for path in found.pictures}


def read_whole(path: Path, advice: str) -> np.ndarray:
    """A picture as (H, W, 3) uint8, upright. Raises MissingFileError or UnreadablePictureError, with what to do."""
    if not path.is_file():
        raise MissingFileError(f"{path}: is gone, and it has to be read; {advice}")
    try:
        return read_picture(path)
    except UnreadablePictureError as error:
        raise UnreadablePictureError(path, error.fault, advice) from error
