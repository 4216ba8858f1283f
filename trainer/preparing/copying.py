"""The pieces of a copy, written one by one: each whole or absent, and none twice.

`prepared.jsonl` in the copy has a line for each piece: what it was made of, by content, and what it became. So a copy
that was stopped goes on, a picture that changed is made anew, and what the copy no longer has is removed, if it is
still as it was written.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from base_models.pictures.picture_file import UnreadablePictureError, load_picture
from foundation.errors import DatasetError
from foundation.files import sha256_of, sweep_partial, whole_file, write_text
from foundation.progress import Reporter
from foundation.text_files import TextFileError, read_text
from foundation.typed.json_values import is_table, parse_json
from trainer.config.config import run_file
from trainer.preparing.mends import Piece

JOURNAL = "prepared.jsonl"
# Of PNG: as small as its default within a tenth, and three times as fast.
COMPRESSION = 3


class OtherCopyError(DatasetError):
    """A folder that is no copy of this dataset, so that nothing is written into it."""


@dataclass(frozen=True)
class Written:
    """A piece that was written: the source's hash, what was asked of it, and the hash of what it became."""

    source: str
    asked: str
    target: str


def check_place(dataset: Path, copy: Path) -> None:
    """Raise OtherCopyError where a copy would lie in the dataset, hold it, or mix with something else."""
    whole, place = run_file(dataset.resolve()), copy.resolve()
    folder = whole if whole.is_dir() else whole.parent
    if place == folder or place.is_relative_to(folder) or folder.is_relative_to(place):
        raise OtherCopyError(f"{copy}: the copy may not lie in the dataset or around it; name a place beside it, --to")
    if not copy.exists():
        return
    if not copy.is_dir():
        raise OtherCopyError(f"{copy}: is a file; name a folder for the copy, --to")
    journal = copy / JOURNAL
    if not journal.is_file():
        if any(copy.iterdir()):
            raise OtherCopyError(f"{copy}: is there and was not made by `trainer prepare`; name another place, --to")
        return
    of = str(_first_line(journal).get("dataset"))
    if run_file(Path(of)) != whole:
        raise OtherCopyError(f"{copy}: is a copy of {of}; name another place, --to")


def check_apart(read: Sequence[Path], copy: Path) -> None:
    """Raise OtherCopyError where a folder that the dataset is read from lies in the copy, or holds it."""
    place = copy.resolve()
    for folder in (path.resolve() for path in read):
        if folder.is_relative_to(place) or place.is_relative_to(folder):
            raise OtherCopyError(
                f"{copy}: the dataset itself is read from there ({folder}); name the original's folders in its "
                "configuration, or another place for the copy, --to"
            )


def write_copy(dataset: Path, copy: Path, pieces: Sequence[Piece], reporter: Reporter) -> dict[Path, str]:
    """Write what is not there yet; returns pictures that could not be saved anew, with the reason.

    Raises OSError for a place that cannot be written.
    """
    copy.mkdir(parents=True, exist_ok=True)
    known, faults = _journal(copy / JOURNAL), dict[Path, str]()
    _remove_stale(copy, known, {str(piece.target) for piece in pieces})
    head = json.dumps({"dataset": str(dataset.resolve())})
    lines = [head, *(_line(target, one) for target, one in known.items())]
    write_text(copy / JOURNAL, "\n".join(lines) + "\n")
    advance = reporter.task("copying and mending", len(pieces))
    with (copy / JOURNAL).open("a", encoding="utf-8") as journal:
        for piece in pieces:
            try:
                made = _made(piece, copy, known.get(str(piece.target)))
            except UnreadablePictureError as error:
                faults[piece.source] = error.fault
                made = None
            if made is not None:
                journal.write(_line(str(piece.target), made) + "\n")
                journal.flush()
            advance(1)
    return faults


def _made(piece: Piece, copy: Path, known: Written | None) -> Written | None:
    """Write one piece; None where it is there as it should be."""
    target, source, asked = copy / piece.target, sha256_of(piece.source), _asked(piece)
    is_there = known is not None and (known.source, known.asked) == (source, asked)
    if known is not None and is_there and target.is_file() and sha256_of(target) == known.target:
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep_partial(target.parent)
    if piece.anew:
        picture = load_picture(piece.source)
        with whole_file(target) as beside:
            picture.save(beside, format="PNG", compress_level=COMPRESSION)
    elif piece.text is not None:
        write_text(target, piece.text + "\n")
    else:
        with whole_file(target) as beside:
            shutil.copyfile(piece.source, beside)
    return Written(source, asked, sha256_of(target))


def _asked(piece: Piece) -> str:
    """What names what is made of the source."""
    how = "picture anew" if piece.anew else "bytes" if piece.text is None else f"text {piece.text}"
    return hashlib.sha256(how.encode()).hexdigest()[:16]


def _remove_stale(copy: Path, known: dict[str, Written], wanted: set[str]) -> None:
    """Pieces of an earlier call that are not asked for any more; what somebody changed since stays."""
    for target in [target for target in known if target not in wanted]:
        path = copy / target
        if path.is_file() and sha256_of(path) == known[target].target:
            path.unlink()
            for folder in path.parents:
                if folder == copy or any(folder.iterdir()):
                    break
                folder.rmdir()
        del known[target]


def _line(target: str, one: Written) -> str:
    return json.dumps({"target": target, "source": one.source, "asked": one.asked, "sha256": one.target})


def _journal(path: Path) -> dict[str, Written]:
    """By target. A line that a kill cut short is left out, and its piece is made again."""
    if not path.is_file():
        return {}
    found: dict[str, Written] = {}
    for line in read_text(path).splitlines()[1:]:
        try:
            read = parse_json(line)
        except ValueError:
            continue
        if is_table(read) and {"target", "source", "asked", "sha256"} <= read.keys():
            found[str(read["target"])] = Written(str(read["source"]), str(read["asked"]), str(read["sha256"]))
    return found


def _first_line(path: Path) -> Mapping[str, object]:
    try:
        read = parse_json(read_text(path).split("\n", 1)[0])
    except (ValueError, TextFileError):
        return {}
    return read if is_table(read) else {}
