"""Which stores' pictures the server hands out, and under which addresses. No Streamlit here.

An address names a picture by its id and by the sha256 of its bytes: what lies behind it never changes, so a browser
asks once. Only the stores that a page has opened are served, and of them only pictures.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Literal, TypeAlias, cast

from base_models.pictures.picture_file import UnreadablePictureError
from eval.store.picture_files import PicturePlace
from eval.store.store import Store
from foundation.errors import UserError
from foundation.files import leads_out
from studio.serving.small_pictures import small_picture, whole_picture

Sort: TypeAlias = Literal["small", "whole"]
SORTS: tuple[Sort, ...] = ("small", "whole")
ROOT = "/pictures"
FOREVER = "private, max-age=31536000, immutable"
PICTURE, CONTENT, STORE = re.compile("[0-9a-f]{1,64}"), re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{16}")


@dataclass(frozen=True)
class Answer:
    """What is sent: the status, the bytes, and of which kind they are."""

    status: int
    body: bytes = b""
    media_type: str = "text/plain"

    @property
    def headers(self) -> dict[str, str]:
        """No page of another site may show a picture, and a browser guesses no other kind of file."""
        kept = FOREVER if self.status == 200 else "no-store"
        return {
            "Cache-Control": kept,
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }


@dataclass(frozen=True)
class _Served:
    folder: Path
    place: PicturePlace


class ServedStores:
    """The stores that pages have opened."""

    def __init__(self) -> None:
        self._by_key: dict[str, _Served] = {}
        self._lock = Lock()

    def offer(self, store: Store) -> str:
        """Serve a store's pictures from now on; what its addresses begin with is returned."""
        key = sha256(str(store.folder.resolve()).encode()).hexdigest()[:16]
        with self._lock:
            self._by_key[key] = _Served(store.folder, store.pictures)
        return f"{ROOT}/{key}"

    def answer(self, sort: str, key: str, picture: str, content: str) -> Answer:
        """The picture, small or whole, as long as it is what the address says."""
        served = self._by_key.get(key)
        well_formed = sort in SORTS and STORE.fullmatch(key) and PICTURE.fullmatch(picture)
        if served is None or not well_formed or not CONTENT.fullmatch(content):
            return Answer(404)
        try:
            return _read(served, cast(Sort, sort), picture, content)
        except (OSError, UnreadablePictureError, UserError):
            return Answer(404)


def address(root: str, sort: Sort, picture: str, content: str) -> str:
    """Where a picture is served; `root`: of its store, as `offer` returned it."""
    return f"{root}/{sort}/{picture}/{content}"


def _read(served: _Served, sort: Sort, picture: str, content: str) -> Answer:
    path = served.place.path(picture)
    if leads_out(path, served.place.root):
        return Answer(404)
    if sort == "small":
        body, media_type = small_picture(served.folder, path, content), "image/webp"
    else:
        body, media_type = whole_picture(path, content), "image/png"
    return Answer(404) if body is None else Answer(200, body, media_type)


SERVED = ServedStores()
