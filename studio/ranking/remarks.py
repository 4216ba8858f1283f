"""Favourites and notes on cells, kept in the store's folder by what the cells hold. No Streamlit here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import UserError
from foundation.files import whole_file
from foundation.text_files import read_text
from foundation.typed.json_values import is_table, parse_json
from studio.languages.translation import tr

FILE_NAME = "remarks.json"
LONGEST_NOTE = 2000
MOST_BYTES = 2**24


class RemarksError(UserError):
    """Remarks that cannot be read or kept."""


@dataclass(frozen=True)
class Remark:
    """What somebody thinks of a cell."""

    favourite: bool = False
    note: str = ""


def kept_remarks(store: Path) -> dict[str, Remark]:
    """All remarks by the cells' ids. Raises RemarksError for a file that holds something else."""
    path = store / FILE_NAME
    if not path.exists():
        return {}
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("it is far too long")
        told = parse_json(read_text(path))
    except (OSError, ValueError, UserError) as error:
        raise _spoilt(path) from error
    if not is_table(told):
        raise _spoilt(path)
    return {cell: _remark(path, value) for cell, value in told.items()}


def keep_remark(store: Path, cell: str, remark: Remark) -> None:
    """Keep what is thought of a cell in place of what was; an empty remark is forgotten.

    The file is written beside the old one and renamed. Raises RemarksError.
    """
    known = kept_remarks(store) | {cell: Remark(remark.favourite, remark.note.strip()[:LONGEST_NOTE])}
    told = {one: {"favourite": of.favourite, "note": of.note} for one, of in known.items() if of != Remark()}
    path = store / FILE_NAME
    try:
        with whole_file(path) as beside:
            beside.write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
    except OSError as error:
        raise RemarksError(
            tr(
                "{file}: the remark could not be kept ({reason}); allow the folder to this user, or make room",
                file=path,
                reason=error.strerror,
            )
        ) from error


def _remark(path: Path, value: object) -> Remark:
    match value:
        case {"favourite": bool(favourite), "note": str(note)}:
            return Remark(favourite, note[:LONGEST_NOTE])
        case _:
            raise _spoilt(path)


def _spoilt(path: Path) -> RemarksError:
    return RemarksError(tr("{file}: holds no remarks; it was changed by hand: mend it, or move it away", file=path))


def marks_of(remarks: Mapping[str, Remark], cells: list[str]) -> list[str]:
    """A star for each favourite among `cells`."""
    return ["★" if remarks.get(cell, Remark()).favourite else "" for cell in cells]
