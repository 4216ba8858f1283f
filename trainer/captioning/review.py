"""The review table: a CSV with a row a picture, for a spreadsheet; what was changed there is read back."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import ConfigurationError
from foundation.files import whole_file
from foundation.text_files import read_text
from trainer.captioning.caption_files import Captioned, Change
from trainer.captioning.said import Description

PICTURE, NOW, CAPTION = "picture", "now", "caption"
OWN = (PICTURE, NOW, CAPTION)
MARK = "\ufeff"  # by which Excel knows UTF-8
# What a spreadsheet would take for a formula.
FORMULA = ("=", "+", "-", "@", "'")


class ReviewError(ConfigurationError):
    """A table that is not one of ours, or tells of pictures that are not there."""


@dataclass(frozen=True)
class Reviewed:
    """The captions that a table changes, and the files that were changed since it was written, which stay."""

    changes: tuple[Change, ...]
    changed_since: tuple[Path, ...]


def write_review(
    path: Path,
    folder: Path,
    pictures: Sequence[Captioned],
    captions: Mapping[Path, str],
    found: Mapping[Path, Description],
) -> None:
    """A row a picture: what its caption is now, what it would be, and of each slot who said what and how sure.

    `captions` and `found` by picture; a picture that is not in them keeps its caption.
    """
    slots = list(dict.fromkeys(slot for one in found.values() for slot in one.slots))
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow([*OWN, *slots])
    for one in pictures:
        now = one.caption()
        told = [_told(found[one.picture], slot) if one.picture in found else "" for slot in slots]
        cells = [one.picture.relative_to(folder).as_posix(), now, captions.get(one.picture, now), *told]
        rows.writerow(map(_cell, cells))
    with whole_file(path) as beside:
        beside.write_bytes((MARK + table.getvalue()).encode("utf-8", "surrogateescape"))


def read_review(path: Path, folder: Path, pictures: Sequence[Captioned]) -> Reviewed:
    """What a table changes of the captions as they are. Raises ReviewError, and what `read_text` does."""
    text = read_text(path)
    rows = csv.DictReader(io.StringIO(text), dialect=_dialect(text))
    if missing := [name for name in OWN if name not in (rows.fieldnames or ())]:
        raise ReviewError(f"{path}: has no column `{missing[0]}`; give a table that --review wrote")
    by_name = {one.picture.relative_to(folder).as_posix(): one for one in pictures}
    changes: list[Change] = []
    changed: list[Path] = []
    for number, row in enumerate(rows, 2):
        name, now, caption = (_plain(row.get(column) or "") for column in OWN)
        if name not in by_name:
            raise ReviewError(f"{path}: row {number}: {folder} has no picture `{name}`; give the dataset that it is of")
        caption = " ".join(caption.split())
        one = by_name[name]
        if not caption or caption == (there := one.caption()):
            continue
        if there == now:
            changes.append(Change(one.file, caption))
        else:
            changed.append(one.file)
    return Reviewed(tuple(changes), tuple(changed))


def _dialect(text: str) -> type[csv.Dialect]:
    """Some spreadsheets save with semicolons or tabs, by the country that they are set to."""
    first = text.split("\n", 1)[0]

    class Saved(csv.excel):
        delimiter = max(",;\t", key=first.count)

    return Saved


def _told(found: Description, slot: str) -> str:
    one = found.slots.get(slot)
    if one is None:
        return ""
    agreed = f", {len(one.voices)} of {len(one.speakers)}" if len(one.speakers) > 1 else ""
    return f"{one.phrase or 'nothing'} ({one.sure:.2f}{agreed})"


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _plain(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text
