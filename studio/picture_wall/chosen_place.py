"""Where a wall begins, and which row of the ranking a tile of it is. No Streamlit here."""

from __future__ import annotations

from functools import lru_cache

from studio.languages.translation import language
from studio.picture_wall.axes import PROMPT, SEED, Axes, Axis, Place, Step, axes_of
from studio.picture_wall.wall import Wall
from studio.shared.stores import OpenedStore

MOST_TRIED = 24
NOWHERE = [Step("", {})]


def known_axes(opened: OpenedStore) -> Axes:
    """The axes of an opened store, found once for as long as it stays open."""
    return _axes_in(language(), opened)


def first_choice(opened: OpenedStore, axes: Axes, rows: Axis, columns: Axis) -> Place:
    """The place to begin at, on the first prompt and seed: that of the best row which leaves the fewest gaps in a wall
    of these axes. (The best may be a blend of which the grid has one checkpoint alone.)"""
    unit = opened.ranked.grid.snapshot.units[0]
    places = [axes.place_of(opened.cell(row)) for row in opened.rows[:MOST_TRIED]]
    best = max(places, key=lambda place: _there(axes, place, rows, columns))
    return {**best, PROMPT: unit.prompt, SEED: str(unit.seed)}


def _there(axes: Axes, place: Place, rows: Axis, columns: Axis) -> int:
    """How many fields of a wall have a cell, the first so many of each axis."""
    down, across = (NOWHERE if axis.is_of_units else axis.steps[:MOST_TRIED] for axis in (rows, columns))
    says = [one.says | two.says for one in down for two in across]
    return sum(axes.cell_at({**place, **said}) is not None for said in says)


@lru_cache(maxsize=4)
def _axes_in(spoken: str, opened: OpenedStore) -> Axes:
    """`spoken` is part of the key only."""
    return axes_of(opened)


def row_of_tile(opened: OpenedStore, wall: Wall, row: int, column: int) -> int | None:
    """The place from 0 in the ranking of a tile's cell; None for the base model, and for no tile of the wall."""
    if not (0 <= row < len(wall.tiles) and 0 <= column < len(wall.tiles[row])):
        return None
    tile = wall.tiles[row][column]
    if tile is None or tile.cell is None:
        return None
    wanted = tile.cell.id, tile.cell.use.checkpoint.name
    return next((at for at, one in enumerate(opened.rows) if (one.cell, one.checkpoint) == wanted), None)
