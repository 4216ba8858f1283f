"""The pictures of folders and zip archives. An archive is read and never unpacked: its names lead nowhere."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from base_models.pictures.listing import OF_SYSTEMS, is_picture, list_folder, list_pictures_below
from eval.importing.containers.chunk_reading import DamagedPictureError
from foundation.errors import MissingFileError, UserError
from foundation.files import why_unopenable

ZIP = ".zip"
MOST_BYTES = 256 * 2**20  # of one picture
MOST_IN_ARCHIVE = 64 * 2**30  # bytes of all its pictures together, unpacked
MOST_ENTRIES = 200_000
MOST_RATIO = 100  # pictures are packed already: what shrinks so far is none
SMALL = 2**20


class SourceError(UserError):
    """A source of pictures that cannot be read at all."""


@dataclass(frozen=True)
class SourcePicture:
    """A picture's file, or a `member` of the archive at `path`."""

    path: Path
    member: str = ""

    @property
    def name(self) -> str:
        """The file's own name."""
        return PurePosixPath(self.member).name if self.member else self.path.name

    @property
    def folder(self) -> tuple[str, ...]:
        """The folders that it lies in."""
        return PurePosixPath(self.member).parts[:-1] if self.member else self.path.parts[:-1]

    def __str__(self) -> str:
        return f"{self.path}: {self.member}" if self.member else str(self.path)

    def data(self) -> bytes:
        """Its bytes. Raises DamagedPictureError."""
        with self.stream() as stream:
            found = stream.read(MOST_BYTES + 1)
        if len(found) > MOST_BYTES:
            raise DamagedPictureError(f"has more than {MOST_BYTES // 2**20} MB, which is not read")
        return found

    def stream(self) -> AbstractContextManager[BinaryIO]:
        """Its bytes from the first on. Raises DamagedPictureError."""
        if not self.member:
            return self.path.open("rb")
        try:
            return nullcontext(BytesIO(_archive(self.path).read(self.member)))  # bounded: a member's size was looked at
        # zipfile has no error of its own for what is compressed in a way that it does not know.
        except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
            raise DamagedPictureError(f"cannot be unpacked ({error})") from error


@dataclass(frozen=True)
class FoundPictures:
    """The pictures of all sources, in the order of their names; `faults`: what was passed over, with the reason."""

    pictures: list[SourcePicture] = field(default_factory=list[SourcePicture])
    faults: dict[str, str] = field(default_factory=dict[str, str])


def find_pictures(sources: Iterable[Path]) -> FoundPictures:
    """Look through folders (folders below included, archives in them too), archives and single files.

    Raises MissingFileError for a source that is not there, SourceError for one that holds no pictures by its kind.
    """
    found = FoundPictures()
    for source in sources:
        if source.is_dir():
            _add_folder(source, found)
        elif fault := why_unopenable(source):
            raise MissingFileError(f"{source}: {fault}; name a folder of pictures, or a zip archive")
        elif source.suffix.lower() == ZIP:
            _add_archive(source, found)
        elif is_picture(source):
            found.pictures.append(SourcePicture(source))
        else:
            raise SourceError(f"{source}: is no folder, zip archive or picture; name one")
    return FoundPictures(list(dict.fromkeys(found.pictures)), found.faults)


def _add_folder(folder: Path, found: FoundPictures) -> None:
    listing = list_pictures_below(folder)
    found.pictures.extend(SourcePicture(path) for path in sorted(listing.pictures, key=_natural))
    found.faults.update({str(path): fault for path, fault in listing.unopenable.items() if is_picture(path)})
    for path in (*list_folder(folder).others, *listing.others):
        if path.suffix.lower() == ZIP:
            _add_archive(path, found)


def _add_archive(path: Path, found: FoundPictures) -> None:
    try:
        entries = _archive(path).infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        found.faults[str(path)] = f"is no zip archive that can be read ({error})"
        return
    if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > MOST_IN_ARCHIVE:
        found.faults[str(path)] = "unpacked, it would be larger than any archive of pictures; it was not read"
        return
    for entry in sorted(entries, key=lambda entry: _natural(Path(entry.filename))):
        if _is_meant(entry):
            fault = _fault_of(entry)
            picture = SourcePicture(path, entry.filename)
            if fault:
                found.faults[str(picture)] = fault
            elif picture not in found.pictures[-1:]:
                found.pictures.append(picture)


def _is_meant(entry: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(entry.filename).parts
    hidden = any((part.startswith(".") and part != "..") or part in OF_SYSTEMS for part in parts)
    return not entry.is_dir() and not hidden and is_picture(Path(entry.filename))


def _fault_of(entry: zipfile.ZipInfo) -> str | None:
    name = entry.filename.replace("\\", "/")
    if ".." in name.split("/") or name.startswith("/") or ":" in name:
        return "its name leads out of the archive"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link"
    if entry.flag_bits & 1:
        return "is encrypted; unpack the archive and name the folder"
    if entry.file_size > MOST_BYTES:
        return f"has more than {MOST_BYTES // 2**20} MB, which is not read"
    if entry.file_size > SMALL and entry.file_size > MOST_RATIO * max(1, entry.compress_size):
        return f"is packed {entry.file_size // max(1, entry.compress_size)} times smaller, as no picture is"
    return None


@lru_cache(maxsize=8)
def _archive(path: Path) -> zipfile.ZipFile:
    """Kept open, for its list is read anew each time else."""
    return zipfile.ZipFile(path)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """`2.png` before `10.png`, folder by folder."""
    return [
        (0, int(digits), "") if (digits := run) and run.isascii() and run.isdigit() and len(run) < 19 else (1, 0, run)
        for run in _runs(str(path))
    ]


def _runs(text: str) -> Iterator[str]:
    run = ""
    for one in text:
        if run and one.isdigit() != run[-1].isdigit():
            yield run
            run = ""
        run += one
    if run:
        yield run
