"""Pictures of the subject: held-out ones that define who it is, and those it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eval.spec import ReferencesSection
from trainer.errors import ConfigurationError, MissingFileError
from trainer.files import sha256_of

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


@dataclass(frozen=True)
class References:
    """Picture files by the hash of their contents."""

    held_out: dict[str, Path]
    training: dict[str, Path]


def find_references(section: ReferencesSection) -> References:
    """Find the pictures, folders below included.

    Raises MissingFileError for a folder that is not there, ConfigurationError where there are no held-out pictures or
    one of them was trained on: then it would prove nothing.
    """
    held_out = _pictures_below(Path(section.held_out))
    if not held_out:
        raise ConfigurationError(
            f"{section.held_out}: zero reference pictures; put at least one (better 12) of the subject there"
        )
    training = _pictures_below(Path(section.training)) if section.training else {}
    if shared := held_out.keys() & training.keys():
        path = held_out[min(shared)]
        raise ConfigurationError(
            f"{path}: is also in the training set; a reference must not be trained on, move it out"
        )
    return References(held_out, training)


def _pictures_below(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder of pictures")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return {sha256_of(path): path for path in found}
