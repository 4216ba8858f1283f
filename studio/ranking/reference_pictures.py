"""The subject's own pictures that a grid was judged by, as far as they still lie where they lay. No Streamlit here."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from stat import S_ISREG

from base_models.pictures.picture_file import reading_sha256
from foundation.errors import UserError
from studio.shared.pictures import evenly_spaced
from studio.shared.stores import OpenedStore

LARGEST = 200 * 2**20  # bytes


def reference_pictures(opened: OpenedStore, most: int) -> list[Path]:
    """At most `most` of the held-out references. A store names them by content: another file of that name is none."""
    snapshot = opened.ranked.grid.snapshot
    named = [(sha256, snapshot.places[sha256]) for sha256 in snapshot.references if sha256 in snapshot.places]
    chosen = evenly_spaced(range(len(named)), most) if named else []
    return [Path(place) for sha256, place in (named[at] for at in chosen) if _content(Path(place)) == sha256]


def _content(path: Path) -> str:
    try:
        facts = path.stat()
        # A store may name anything: a device never ends, and no picture of a person is that large.
        is_one = S_ISREG(facts.st_mode) and facts.st_size <= LARGEST
        return _content_of(path, facts.st_mtime_ns, facts.st_size) if is_one else ""
    except (OSError, ValueError):  # a name that no system takes
        return ""


@lru_cache(maxsize=256)
def _content_of(path: Path, changed: int, size: int) -> str:
    """All but `path` are part of the key only."""
    try:
        return reading_sha256(path)
    except (UserError, OSError):
        return ""
