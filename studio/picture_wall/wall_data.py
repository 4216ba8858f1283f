"""A wall as the component is told of it: addresses, scores and words, all of them plain text. No Streamlit here."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TypeAlias

from eval.store.store import Store
from foundation.files import sha256_of
from studio.languages.translation import tr
from studio.picture_wall.wall import Tile, Wall
from studio.serving.served_stores import address

USUAL_SIDE = 150  # pixels
# What JSON can hold.
Told: TypeAlias = dict[str, object]


def told_of(wall: Wall, store: Store, root: str, side: int = USUAL_SIDE, against: bool = False) -> Told:
    """The data of the component. `root`: where the store's pictures are served; `side`: pixels of a tile at first;
    `against`: a large picture is held against the first of its row (the first against the second), not the base's."""
    held = contents_of(store, wall.pictures)
    return {
        "words": words_of_wall(),
        "side": side,
        "against": against,
        "rows": list(wall.rows),
        "columns": list(wall.columns),
        "tiles": [[tile and _tile(tile, held, root) for tile in row] for row in wall.tiles],
    }


def words_of_wall() -> dict[str, str]:
    """All that the component says by itself."""
    return {
        "pictures": tr("pictures"),
        "wall": tr("wall of pictures"),
        "size": tr("Size"),
        "zoomIn": tr("zoom into all pictures"),
        "zoomOut": tr("zoom out"),
        "showBase": tr("Show the base model (B)"),
        "hint": tr(
            "Arrow keys walk, Enter opens, B flips all to the base model and back, + and \u2212 zoom all at once."
        ),
        "notInGrid": tr("not in this grid"),
        "noPicture": tr("no picture"),
        "damaged": tr("not there, or damaged"),
        "cut": tr("how much of each picture is shown"),
        "onePicture": tr("one picture"),
        "slider": tr("Slider (S)"),
        "flicker": tr("Flicker (F)"),
        "difference": tr("Difference (D)"),
        "mark": tr("Hold others against this (M)"),
        "choose": tr("Take this cell to the other pages"),
        "close": tr("Close (Esc)"),
        "baseTold": tr("the base model, same prompt and seed"),
        "against": tr("against:"),
    }


def contents_of(store: Store, pictures: list[str]) -> dict[str, str]:
    """The sha256 of each picture's bytes; of one that an older version drew, read from its file."""
    found: dict[str, str] = {}
    for one, content in store.contents(pictures).items():
        with suppress(OSError):
            found[one] = content or sha256_of(store.pictures.path(one))
    return found


def _tile(tile: Tile, held: Mapping[str, str], root: str) -> Told:
    """`small`, `whole` and `base` "" where there is no such picture."""

    def at(sort: str, picture: str) -> str:
        content = held.get(picture)
        return address(root, "small" if sort == "small" else "whole", picture, content) if content else ""

    return {
        "small": at("small", tile.picture),
        "whole": at("whole", tile.picture),
        "baseSmall": at("small", tile.base),
        "base": at("whole", tile.base),
        "score": tile.score,
        "told": tile.told,
        "chosen": tile.cell is not None,
    }
