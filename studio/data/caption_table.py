"""Captions as a table: filtered by tags, edited, found and replaced; written whole, and only over what was shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from foundation.errors import UserError
from studio.data.picture_tiles import small_picture
from studio.languages.translation import tr
from trainer.captioning.caption_files import UNDO, Captioned, Change, Undone, captioned_pictures, undo, write_captions
from trainer.captioning.replacing import replacements

PAGE = 100  # rows at once: each has a small picture
LONGEST = 20_000  # characters of a caption
PICTURE, NAME, CAPTION = "picture", "file", "caption"


class CaptionEditError(UserError):
    """A caption that cannot be written as it was edited."""


@dataclass(frozen=True)
class CaptionRow:
    """A picture and its caption as it was read; `folder` is the one that an undo is kept in."""

    captioned: Captioned
    caption: str
    folder: Path

    @property
    def tags(self) -> list[str]:
        """The phrases between its commas."""
        return [one.strip() for one in self.caption.split(",") if one.strip()]


def caption_rows(folders: Sequence[Path]) -> list[CaptionRow]:
    """All pictures below these folders with their captions. Raises UserErrors that name what cannot be read."""
    return [CaptionRow(one, one.caption(), folder) for folder in folders for one in captioned_pictures(folder)]


def tags_of(rows: Sequence[CaptionRow]) -> Counter[str]:
    """How many captions say each tag, the most frequent first."""
    counted = Counter(tag for row in rows for tag in dict.fromkeys(row.tags))
    return Counter(dict(counted.most_common()))


def filtered(
    rows: Sequence[CaptionRow], having: Sequence[str] = (), lacking: Sequence[str] = (), text: str = ""
) -> list[CaptionRow]:
    """The rows whose captions have all of some tags, none of others, and a text, in capitals or not."""
    wanted, unwanted, sought = set(having), set(lacking), text.casefold().strip()
    return [
        row
        for row in rows
        if wanted <= set(row.tags) and not unwanted & set(row.tags) and sought in row.caption.casefold()
    ]


def caption_frame(rows: Sequence[CaptionRow]) -> pd.DataFrame:
    """The rows as the page's table: a small picture, the file's name with its folder, the caption."""
    return pd.DataFrame(
        {
            PICTURE: [small_picture(row.captioned.picture) for row in rows],
            NAME: [str(row.captioned.picture.relative_to(row.folder)) for row in rows],
            CAPTION: [row.caption for row in rows],
        }
    )


def edits(rows: Sequence[CaptionRow], edited: Sequence[object]) -> dict[int, str]:
    """Which rows (by place) have another caption now. Raises CaptionEditError for one that is no caption."""
    found: dict[int, str] = {}
    for at, (row, value) in enumerate(zip(rows, edited, strict=True)):
        caption = " ".join(str(value or "").split())
        if caption == " ".join(row.caption.split()):
            continue
        if not caption:
            raise CaptionEditError(
                tr("{file}: an empty caption is none; write some words", file=row.captioned.file.name)
            )
        if len(caption) > LONGEST:
            words = tr(
                "{file}: longer than {count} characters; shorten it", file=row.captioned.file.name, count=LONGEST
            )
            raise CaptionEditError(words)
        found[at] = caption
    return found


def save(rows: Sequence[CaptionRow], changed: Mapping[int, str]) -> int:
    """Write these captions, what they were kept first. How many were written.

    Raises CaptionEditError, and writes nothing, where a file is not as it was shown: somebody else has changed it.
    """
    _write({rows[at].captioned.file: (rows[at], caption) for at, caption in changed.items()})
    return len(changed)


def replaced(rows: Sequence[CaptionRow], find: str, by: str, *, regex: bool) -> list[Change]:
    """What finding and replacing would change in these rows. Raises PatternError."""
    return replacements([row.captioned for row in rows], find, by, regex=regex)


def save_replaced(rows: Sequence[CaptionRow], changes: Sequence[Change]) -> int:
    """Write them as `save` does."""
    by_file = {row.captioned.file: row for row in rows}
    _write({one.file: (by_file[one.file], one.caption) for one in changes})
    return len(changes)


def can_undo(folders: Sequence[Path]) -> list[Path]:
    """The folders in which a change can be put back."""
    return [folder for folder in folders if any((folder / UNDO).glob("[0-9]*.json"))]


def take_back(folder: Path) -> Undone:
    """Put the last change below a folder back. Raises NothingToUndoError."""
    return undo(folder)


def _write(changes: Mapping[Path, tuple[CaptionRow, str]]) -> None:
    for row, _ in changes.values():
        if row.captioned.caption() != row.caption:
            raise CaptionEditError(
                tr(
                    "{file}: was changed meanwhile, so nothing was written; look at it again",
                    file=row.captioned.file.name,
                )
            )
    for folder in dict.fromkeys(row.folder for row, _ in changes.values()):
        own = [Change(file, caption) for file, (row, caption) in changes.items() if row.folder == folder]
        write_captions(folder, own)
