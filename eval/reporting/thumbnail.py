"""Pictures as small data URIs, for the report and the studio; a file is read once for as long as it stays the same."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from pathlib import Path

from base_models.pictures.picture_file import UnreadablePictureError, load_picture
from eval.store.store import KeptPicture

LONGEST_SIDE = 224
KEPT = 4096


def thumbnail(kept: KeptPicture, side: int = LONGEST_SIDE) -> str | None:
    """A picture as a data URI, WebP, at most `side` pixels a side; None where there is no sound picture.

    What could not be read is tried again the next time, and a file that has changed is read anew.
    """
    if kept.fault:
        return None
    try:
        facts = kept.path.stat()
        return _thumbnail(kept.path, facts.st_mtime_ns, facts.st_size, side)
    except (OSError, UnreadablePictureError):
        return None


@lru_cache(maxsize=KEPT)
def _thumbnail(path: Path, changed: int, size: int, side: int) -> str:
    """`changed` and `size` are part of the key only. An error is not kept."""
    picture = load_picture(path)
    picture.thumbnail((side, side))
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=82)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
