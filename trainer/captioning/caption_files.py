"""A dataset's pictures with the caption files beside them; captions written so that it can be undone.

Before a caption changes, what all of them were is on the disk: `.captions/`, hidden, which nobody takes for data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from base_models.pictures.listing import list_folder, list_pictures_below
from foundation.errors import DatasetError, MissingFileError
from foundation.files import bytes_within, whole_file, write_text
from foundation.text_files import MOST_OF_A_CAPTION, caption_text, read_json
from foundation.typed.json_values import is_table
from trainer.data.captions import is_caption

UNDO = ".captions"


class NothingToUndoError(DatasetError):
    """A dataset whose captions were not changed by us, or were put back already."""


@dataclass(frozen=True)
class Captioned:
    """A picture and its caption file, which may not be there yet."""

    picture: Path
    file: Path

    @property
    def has_caption(self) -> bool:
        """Whether the file is there."""
        return self.file.exists() or self.file.is_symlink()

    def caption(self) -> str:
        """Its first line; "" where there is none. Raises TextFileError for what is no text."""
        return caption_text(self.file).split("\n")[0].strip() if self.has_caption else ""


@dataclass(frozen=True)
class Change:
    """A caption file, and its new caption."""

    file: Path
    caption: str


@dataclass(frozen=True)
class Undone:
    """Caption files that are as they were again, and those that somebody changed since, which stay as they are."""

    restored: tuple[Path, ...]
    changed_since: tuple[Path, ...]


def captioned_pictures(folder: Path) -> list[Captioned]:
    """All pictures of a folder and below it, in the order of paths.

    Raises MissingFileError, UnusablePicturesError for what has a picture's name and cannot be opened, and DatasetError
    where there are no pictures or a picture has two captions.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder; give a dataset: folders of pictures, or one of them")
    here = list_pictures_below(folder)
    here.check()
    if not here.pictures:
        raise DatasetError(f"{folder}: has no pictures; give a folder that has some, or that holds such folders")
    captions: dict[Path, list[Path]] = {}
    for parent in dict.fromkeys(path.parent for path in here.pictures):
        for path in (*(listing := list_folder(parent)).others, *listing.unopenable):
            if is_caption(path):
                captions.setdefault(path.with_suffix(""), []).append(path)
    return [Captioned(path, _own(path, captions.get(path.with_suffix(""), []))) for path in here.pictures]


def _own(picture: Path, files: Sequence[Path]) -> Path:
    if len(files) > 1:
        raise DatasetError(f"{picture}: has two captions, {files[0].name} and {files[1].name}; keep one")
    return files[0] if files else picture.with_suffix(".txt")


def write_captions(folder: Path, changes: Sequence[Change]) -> None:
    """Write them all, what they were kept first. Each file is whole at any moment."""
    if not changes:
        return
    kept = {str(one.file.relative_to(folder)): {"before": _bytes_of(one.file), "after": one.caption} for one in changes}
    write_text(folder / UNDO / f"{len(_records(folder)) + 1:04d}.json", json.dumps(kept, indent=1) + "\n")
    for one in changes:
        write_text(one.file, one.caption + "\n")


def undo(folder: Path) -> Undone:
    """Put the last change back. Raises NothingToUndoError; TextFileError for a record that is damaged."""
    records = _records(folder) if folder.is_dir() else []
    if not records:
        raise NothingToUndoError(f"{folder}: no captions were changed here that could be put back (no {UNDO} in it)")
    found = read_json(records[-1])
    rows: Mapping[str, object] = dict(found) if is_table(found) else {}
    restored: list[Path] = []
    changed: list[Path] = []
    for name, row in rows.items():
        path = folder / name
        if not is_table(row) or not path.resolve().is_relative_to(folder.resolve()):
            continue
        now, before = _bytes_of(path), row.get("before")
        if now == before:
            continue
        if now != f"{row.get('after')}\n":
            changed.append(path)
            continue
        _put_back(path, before)
        restored.append(path)
    records[-1].unlink()
    if len(records) == 1:
        records[0].parent.rmdir()
    return Undone(tuple(restored), tuple(changed))


def _put_back(path: Path, before: object) -> None:
    if before is None:
        path.unlink()
        return
    with whole_file(path) as beside:
        beside.write_bytes(str(before).encode("utf-8", "surrogateescape"))


def _records(folder: Path) -> list[Path]:
    return sorted((folder / UNDO).glob("[0-9]*.json"))


def _bytes_of(path: Path) -> str | None:
    """A file's bytes as a text that gives them back, whatever they are; None where there is none."""
    held = bytes_within(path, MOST_OF_A_CAPTION) if path.is_file() else None
    return None if held is None else held.decode("utf-8", "surrogateescape")
