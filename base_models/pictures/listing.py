"""Which pictures a folder holds. Nothing is opened: what is no ordinary file would hang who opens it.

Hidden files and folders (`._0.png`, `.ipynb_checkpoints`) and those that systems leave are no part of what a user put
there. What has a picture's name and cannot be a picture is kept apart, with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import UnusablePicturesError
from foundation.files import why_unopenable

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
# What macOS packs beside files, and the small pictures that a Synology disk makes of each.
OF_SYSTEMS = ("__MACOSX", "@eaDir")


@dataclass(frozen=True)
class Listing:
    """What a folder holds, by name: pictures, folders, other files, and what cannot be opened, with the reason."""

    pictures: tuple[Path, ...]
    folders: tuple[Path, ...]
    others: tuple[Path, ...]
    unopenable: Mapping[Path, str]

    def check(self) -> None:
        """Raise UnusablePicturesError, naming each, where what has a picture's name cannot be opened."""
        if faults := {path: fault for path, fault in self.unopenable.items() if is_picture(path)}:
            raise UnusablePicturesError(faults)


def is_picture(path: Path) -> bool:
    """Whether the name is a picture's, in capitals or not."""
    return path.suffix.lower() in PICTURES


def list_folder(folder: Path) -> Listing:
    """What lies in `folder` itself. A link to a folder is one."""
    entries = _visible(folder)
    folders = [path for path in entries if path.is_dir()]
    rest = [path for path in entries if path not in folders]
    unopenable = {path: fault for path in rest if (fault := why_unopenable(path)) is not None}
    files = [path for path in rest if path not in unopenable]
    return Listing(
        pictures=tuple(path for path in files if is_picture(path)),
        folders=tuple(folders),
        others=tuple(path for path in files if not is_picture(path)),
        unopenable=unopenable,
    )


def list_pictures_below(folder: Path) -> Listing:
    """What lies in `folder` and in all folders below it, in the order of paths."""
    found = list(_listings(folder, ()))
    return Listing(
        pictures=tuple(sorted(path for one in found for path in one.pictures)),
        folders=tuple(sorted(path for one in found for path in one.folders)),
        others=tuple(sorted(path for one in found for path in one.others)),
        unopenable={path: fault for one in found for path, fault in one.unopenable.items()},
    )


def _listings(folder: Path, above: Sequence[str]) -> Iterator[Listing]:
    """Once for each folder; a link back to one that it lies in is not followed."""
    real = os.path.realpath(folder)
    if real in above:
        return
    here = list_folder(folder)
    yield here
    for below in here.folders:
        yield from _listings(below, (*above, real))


def _visible(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if not one.name.startswith(".") and one.name not in OF_SYSTEMS)
