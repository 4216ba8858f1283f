"""Small pictures with words below them, as one piece of HTML: they wrap at any width. No Streamlit here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from base_models.pictures.listing import is_picture
from eval.reporting.thumbnail import thumbnail
from eval.store.store import KeptPicture
from foundation.printing import printable
from studio.languages.translation import tr

LONGEST = 240  # characters of a tile's words
WALL = "display:flex;flex-wrap:wrap;gap:0.75rem;margin-bottom:1rem"
TILE = "width:9rem;font-size:0.8rem;line-height:1.25;overflow-wrap:anywhere"
IMAGE = "width:100%;height:9rem;object-fit:contain;border-radius:0.25rem;background:rgba(128,128,128,0.12)"
NOTHING = IMAGE + ";display:flex;align-items:center;justify-content:center;opacity:0.7"


@dataclass(frozen=True)
class Tile:
    """A picture's file, what it is called, and what is said of it."""

    picture: Path | None
    name: str
    words: str = ""


def wall_of(tiles: Sequence[Tile]) -> str:
    """The tiles side by side. Names and words are strangers' texts: nothing in them is markup."""
    return f'<div style="{WALL}">{"".join(map(_tile, tiles))}</div>'


def small_picture(path: Path | None) -> str | None:
    """A picture as a small data URI; None for what is none, or cannot be read."""
    return None if path is None or not is_picture(path) else thumbnail(KeptPicture(path, None))


def _tile(tile: Tile) -> str:
    source, name, words = small_picture(tile.picture), _said(tile.name), _said(tile.words)
    picture = (
        f'<img src="{source}" alt="{name}" style="{IMAGE}">'
        if source
        else f'<div style="{NOTHING}">{escape(tr("no picture"))}</div>'
    )
    below = f"<div>{words}</div>" if words else ""
    return f'<div style="{TILE}" title="{name}">{picture}<div style="opacity:0.7">{name}</div>{below}</div>'


def _said(text: str) -> str:
    line = " ".join(printable(text).split())
    return escape(line if len(line) <= LONGEST else f"{line[:LONGEST]} …", quote=True)
