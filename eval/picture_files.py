"""Where pictures lie: a folder, or any place that fsspec knows by URL (s3://bucket/folder). Workers write, all read."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import UserError
from trainer.files import whole_file


class PicturePlaceError(UserError):
    """A place for pictures that cannot be reached."""


@dataclass(frozen=True)
class PictureFolder:
    """A folder, on this machine's disk or shared by all."""

    folder: Path

    def write(self, picture_id: str, png: bytes) -> None:
        """Write whole or not at all, flushed to the disk."""
        with whole_file(self.path(picture_id)) as beside:
            beside.write_bytes(png)

    def has(self, picture_id: str) -> bool:
        return self.path(picture_id).is_file()

    def path(self, picture_id: str) -> Path:
        return self.folder / _name_of(picture_id)


@dataclass(frozen=True)
class RemotePictures:
    """A URL. `path` fetches a picture into `cache` when it is first asked for."""

    url: str
    cache: PictureFolder

    def write(self, picture_id: str, png: bytes) -> None:
        files, root = _opened(self.url)
        place = f"{root}/{_name_of(picture_id)}"
        files.makedirs(place.rpartition("/")[0], exist_ok=True)
        files.pipe_file(place, png)

    def has(self, picture_id: str) -> bool:
        files, root = _opened(self.url)
        return files.exists(f"{root}/{_name_of(picture_id)}")

    def path(self, picture_id: str) -> Path:
        path = self.cache.path(picture_id)
        if not path.is_file():
            files, root = _opened(self.url)
            with suppress(FileNotFoundError):  # then, as in a folder, it is the path of what is not there
                self.cache.write(picture_id, files.cat_file(f"{root}/{_name_of(picture_id)}"))
        return path


PicturePlace = PictureFolder | RemotePictures


def picture_place(place: str, cache: Path) -> PicturePlace:
    """A folder's path or a URL. Raises PicturePlaceError where the URL's kind is not known or not installed."""
    if "://" not in place:
        return PictureFolder(Path(place))
    _opened(place)
    return RemotePictures(place, PictureFolder(cache))


def _opened(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL (it keeps one of each) and the path in it."""
    from fsspec.core import url_to_fs  # needed for URLs alone

    try:
        files, root = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise PicturePlaceError(
            f"{url}: {error}; [store] pictures takes a folder or a URL that fsspec knows (`pip install s3fs` for s3://)"
        ) from error
    return files, root.rstrip("/")


def _name_of(picture_id: str) -> str:
    return f"{picture_id[:2]}/{picture_id}.png"
