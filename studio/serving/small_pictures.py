"""Small copies of pictures, made once and kept in the store's folder by what the picture holds. No Streamlit here."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from PIL import Image

from base_models.pictures.picture_file import load_picture
from foundation.files import bytes_within, gone_at_last, partial_beside

LONGEST_SIDE = 256
FOLDER = "thumbnails"
# A file of no picture of ours is that long, and a picture that is longer is served to nobody.
MOST_BYTES = 64 * 2**20
MOST_PIXELS = 2**24  # 4096 x 4096: no grid draws more, and several may be decoded at once
MOST_SMALL = 2**20  # bytes of a small copy; its pixels alone are a fifth of that


def small_picture(store: Path, picture: Path, content: str) -> bytes | None:
    """The small copy (WebP) of the picture whose bytes have the sha256 `content`; None where they have another.

    A store that cannot be written to keeps none, nor one whose place for them is a link, and each is then made anew.
    Raises UnreadablePictureError, OSError.
    """
    kept = Path(FOLDER, content[:2], f"{content}.webp")
    # Links below the store may lead anywhere: what they lead to is neither shown nor written to.
    is_own = Path(os.path.realpath(store / kept)) == Path(os.path.realpath(store)) / kept
    if is_own:
        with suppress(OSError):
            if _is_whole(small := bytes_within(store / kept, MOST_SMALL)):
                return small
    if whole_picture(picture, content) is None:
        return None
    small = _drawn_small(picture)
    if is_own:
        with suppress(OSError):
            _keep(store / kept, small)
    return small


def whole_picture(picture: Path, content: str) -> bytes | None:
    """The picture's bytes; None where their sha256 is not `content`.

    Raises OSError, also for what is no ordinary file, or has far too many bytes.
    """
    held = bytes_within(picture, MOST_BYTES)
    return held if sha256(held).hexdigest() == content else None


def _is_whole(webp: bytes) -> bool:
    """Whether all of a file is there: WebP says at its beginning how long it is."""
    return webp[:4] == b"RIFF" and int.from_bytes(webp[4:8], "little") + 8 == len(webp)


def _keep(path: Path, small: bytes) -> None:
    """Written beside and renamed, but not flushed: that takes longer than drawing, and a file cut short is told."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = partial_beside(path)
    with gone_at_last(beside):
        beside.write_bytes(small)
        beside.replace(path)


def _drawn_small(path: Path) -> bytes:
    picture = load_picture(path, LONGEST_SIDE, MOST_PIXELS)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=82, method=2)
    return stream.getvalue()
