"""Where pictures lie: a folder, or any place that fsspec knows by URL (s3://bucket/folder). Workers write, all read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from foundation.errors import UserError
from foundation.extras import missing_named
from foundation.files import sha256_of, whole_file_there
from foundation.typed.untyped import untyped

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class PicturePlaceError(UserError):
    """A place for pictures that cannot be reached."""


@dataclass(frozen=True)
class Stamp:
    """What a listing says of a file: `size` in bytes and `changed` (ns since 1970), None where it says nothing."""

    size: int | None
    changed: int | None


@dataclass(frozen=True)
class PictureFolder:
    """A folder, on this machine's disk or shared by all."""

    folder: Path

    @property
    def root(self) -> Path:
        """The folder below which all `path`s are."""
        return self.folder

    def write(self, picture_id: str, png: bytes) -> None:
        """Write whole or not at all, flushed to the disk.

        Raises PicturePlaceError where the folder is gone: in one that is made in its place, as below the mount point of
        a share, nobody would look for pictures.
        """
        path = self.path(picture_id)
        try:
            path.parent.mkdir(exist_ok=True)
            with whole_file_there(path) as beside:
                beside.write_bytes(png)
        except FileNotFoundError as error:
            raise _not_there(str(self.folder)) from error

    def make_ready(self) -> None:
        """See to it that there is a folder to write into."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def stamp(self, picture_id: str) -> Stamp | None:
        """Its file's size and time, None where it has none. Raises PicturePlaceError where the folder is gone."""
        try:
            facts = self.path(picture_id).stat()
        except FileNotFoundError as error:
            if not self.folder.is_dir():
                raise _not_there(str(self.folder)) from error
            return None
        return Stamp(facts.st_size, facts.st_mtime_ns)

    def path(self, picture_id: str) -> Path:
        """Its file, whether or not it is there."""
        return self.folder / _name_of(picture_id)

    def stamps(self, picture_ids: Iterable[str]) -> Iterator[tuple[str, Stamp | None]]:
        """Each of `picture_ids`, which come sorted, with its file's size and time, None where it has no file.

        A listing a shelf. Raises PicturePlaceError where the folder itself is not there: a share that is not mounted.
        """
        if not self.folder.is_dir():
            raise _not_there(str(self.folder))
        for shelf, ids in groupby(picture_ids, key=_shelf_of):
            there = dict[str, Stamp]()
            with suppress(FileNotFoundError), os.scandir(self.folder / shelf) as entries:
                for entry in entries:
                    if entry.is_file():
                        there[entry.name] = Stamp(entry.stat().st_size, entry.stat().st_mtime_ns)
            yield from ((one, there.get(f"{one}.png")) for one in ids)

    def forget_copies(self, picture_ids: Iterable[str]) -> None:
        """There are none: a folder's files are the pictures themselves."""


@dataclass(frozen=True)
class RemotePictures:
    """A URL. `path` fetches a picture into `cache` when it is first asked for."""

    url: str
    cache: PictureFolder

    @property
    def root(self) -> Path:
        """The folder below which all `path`s are."""
        return self.cache.folder

    def write(self, picture_id: str, png: bytes) -> None:
        """Put it there in one request, which S3 and its like show whole or not at all."""
        files, root = _opened(self.url)
        place = f"{root}/{_name_of(picture_id)}"
        files.makedirs(place.rpartition("/")[0], exist_ok=True)
        files.pipe_file(place, png)

    def make_ready(self) -> None:
        """There is nothing to make: folders of a URL come with what is put there."""

    def stamp(self, picture_id: str) -> Stamp | None:
        """Its size at the URL, None where it is not there; what a file system remembers of its listings counts."""
        files, root = _opened(self.url)
        try:
            size: object = untyped(files).info(f"{root}/{_name_of(picture_id)}").get("size")
        except FileNotFoundError:
            return None
        return Stamp(size if isinstance(size, int) else None, None)

    def path(self, picture_id: str) -> Path:
        """A local copy, fetched if there is none yet; of a picture that is not there, a path to nothing."""
        path = self.cache.path(picture_id)
        if not path.is_file():
            files, root = _opened(self.url)
            with suppress(FileNotFoundError):  # then, as in a folder, it is the path of what is not there
                self.cache.folder.mkdir(parents=True, exist_ok=True)
                self.cache.write(picture_id, files.cat_file(f"{root}/{_name_of(picture_id)}"))
        return path

    def stamps(self, picture_ids: Iterable[str]) -> Iterator[tuple[str, Stamp | None]]:
        """Each of `picture_ids` with its size at the URL, None where it is not there, by one listing.

        Raises PicturePlaceError.
        """
        files, root = _opened(self.url)
        # What was listed before is remembered by some file systems, and what workers write meanwhile is not seen then.
        files.invalidate_cache()
        try:
            listed: dict[str, dict[str, object]] = untyped(files).find(root, detail=True)
        except FileNotFoundError as error:
            raise _not_there(self.url) from error
        files.invalidate_cache()
        sizes = {place.rpartition("/")[2]: facts.get("size") for place, facts in listed.items()}
        for one in picture_ids:
            name = f"{one}.png"
            size = sizes.get(name)
            yield one, Stamp(size if isinstance(size, int) else None, None) if name in sizes else None

    def forget_copies(self, picture_ids: Iterable[str]) -> None:
        """Fetch these anew when they are next asked for."""
        for one in picture_ids:
            self.cache.path(one).unlink(missing_ok=True)


PicturePlace = PictureFolder | RemotePictures


def picture_place(place: str, cache: Path) -> PicturePlace:
    """A folder's path or a URL. Raises MissingPackageError, PicturePlaceError where the URL's kind is not known."""
    if "://" not in place:
        return PictureFolder(Path(place))
    _opened(place)
    return RemotePictures(place, PictureFolder(cache))


def _opened(url: str) -> tuple[AbstractFileSystem, str]:
    """fsspec's file system of a URL (it keeps one of each) and the path in it."""
    from fsspec.core import url_to_fs  # needed for URLs alone

    try:
        with missing_named("eval", url):
            files, root = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise PicturePlaceError(
            f"{url}: {error}; [store] pictures takes a folder or a URL that fsspec knows"
        ) from error
    return files, root.rstrip("/")


def _not_there(place: str) -> PicturePlaceError:
    return PicturePlaceError(
        f"{place}: is not there, and the store's pictures lie in it; mount it, or make it to have them rendered again"
    )


def _shelf_of(picture_id: str) -> str:
    return picture_id[:2]


def _name_of(picture_id: str) -> str:
    return f"{_shelf_of(picture_id)}/{picture_id}.png"


def fault_of_file(path: Path, sha256: str | None, size: int | None = None) -> Literal["not made", "damaged"] | None:
    """Why a file is not the picture that was written, or None; without a hash to hold it against, any file will do.

    What is no ordinary file, or has another size than it was written with, is not read.
    """
    try:
        facts = path.stat()
        alike = stat.S_ISREG(facts.st_mode) and size in (None, facts.st_size)
        sound = alike and (sha256 is None or _hash_of(path, facts.st_size, facts.st_mtime_ns) == sha256)
    except FileNotFoundError:
        return "not made"
    except OSError:
        return "damaged"
    return None if sound else "damaged"


@lru_cache(maxsize=65536)
def _hash_of(path: Path, size: int, changed: int) -> str:
    """`size` and `changed` are part of the key only."""
    return sha256_of(path)
