"""Any two axes of a grid as a wall of pictures, page by page, beside the base model's. No Streamlit here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from eval.judging.stored_grid import Grid, UnitRecord
from eval.request.cells import Called, Cell
from studio.languages.translation import noted, tr
from studio.picture_wall.axes import DRAWN, Axes, Axis, Place, Step
from studio.shared.stores import OpenedStore

MOST_PICTURES = 200
MOST_COLUMNS = 24
CONTROL = noted("base model")


@dataclass(frozen=True)
class Tile:
    """One picture: its id in the store, how alike it is to the subject in words, and what it shows, in words.

    `cell` None: the base model's own; `base`: the id of the base model's picture of the same prompt and seed.
    """

    picture: str
    score: str
    told: str
    cell: Cell | None
    base: str


@dataclass(frozen=True)
class Wall:
    """A page of a wall: names of rows and columns, and the tiles (None: the grid has no such picture)."""

    rows: Sequence[str]
    columns: Sequence[str]
    tiles: Sequence[Sequence[Tile | None]]

    @property
    def pictures(self) -> list[str]:
        """The ids of all pictures on it, the base model's to flip to included, each once."""
        found = [one for row in self.tiles for tile in row if tile for one in (tile.picture, tile.base)]
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Asked:
    """What a wall is to show: the axes of its rows and columns, what is chosen along all others, and the page."""

    rows: Axis
    columns: Axis
    chosen: dict[str, str]
    row_page: int = 0
    column_page: int = 0
    with_control: bool = True


@dataclass(frozen=True)
class Paging:
    """How a wall of `rows` x `columns` tiles is cut into pages of at most MOST_PICTURES."""

    rows: int
    columns: int

    @property
    def columns_a_page(self) -> int:
        return min(self.columns, MOST_COLUMNS)

    @property
    def rows_a_page(self) -> int:
        return max(1, MOST_PICTURES // max(1, self.columns_a_page))

    @property
    def row_pages(self) -> int:
        return -(-self.rows // self.rows_a_page)

    @property
    def column_pages(self) -> int:
        return -(-self.columns // self.columns_a_page)

    def rows_of(self, page: int) -> slice:
        return slice(page * self.rows_a_page, (page + 1) * self.rows_a_page)

    def columns_of(self, page: int) -> slice:
        return slice(page * self.columns_a_page, (page + 1) * self.columns_a_page)


def paging_of(rows: Axis, columns: Axis) -> Paging:
    """How the wall of two axes is cut into pages."""
    return Paging(len(rows.steps), len(columns.steps))


def wall_of(opened: OpenedStore, axes: Axes, asked: Asked) -> Wall:
    """The page of the wall that is asked for. The base model's pictures are its first column, or its first row."""
    paging, hung = paging_of(asked.rows, asked.columns), Hanging(opened, axes)
    rows = asked.rows.steps[paging.rows_of(asked.row_page)]
    columns = asked.columns.steps[paging.columns_of(asked.column_page)]
    tiles = [[hung.tile(axes.fixed | asked.chosen | row.says | one.says) for one in columns] for row in rows]
    names, heads = [step.name for step in rows], [step.name for step in columns]
    if not asked.with_control:
        return Wall(names, heads, tiles)
    if _control_is_column(asked):
        controls = hung.controls(axes.fixed | asked.chosen, rows)
        return Wall(names, [tr(CONTROL), *heads], [[one, *own] for one, own in zip(controls, tiles, strict=True)])
    if _control_is_row(asked):
        return Wall([tr(CONTROL), *names], heads, [list(hung.controls(axes.fixed | asked.chosen, columns)), *tiles])
    return Wall(names, heads, tiles)


def has_control(asked: Asked) -> bool:
    """Whether one column or row can show the base model: not where prompts or ways to draw vary along both."""
    return _control_is_column(asked) or _control_is_row(asked)


def _control_is_column(asked: Asked) -> bool:
    return not _is_of_control(asked.columns)


def _control_is_row(asked: Asked) -> bool:
    return _is_of_control(asked.columns) and not _is_of_control(asked.rows)


def _is_of_control(axis: Axis) -> bool:
    """Whether the base model's own picture changes along it. Rows of a ranking are drawn as each of them is."""
    return axis.is_of_units or axis.sets == (DRAWN,)


def _told(cell: str, prompt: str, seed: int, score: str) -> str:
    return tr("{cell}: {prompt}, seed {seed}; likeness {score}", cell=cell, prompt=prompt, seed=seed, score=score)


class Hanging:
    """Finds the picture of each place of a grid's walls."""

    def __init__(self, opened: OpenedStore, axes: Axes) -> None:
        self._opened, self._axes = opened, axes
        self._grids: dict[tuple[int, Called | None], Grid] = {}

    @cached_property
    def _likeness(self) -> Mapping[str, int]:
        return {cell.id: at for at, cell in enumerate(self._opened.ranked.evidence.cells)}

    @cached_property
    def _unit_places(self) -> Mapping[tuple[str, int, str], int]:
        return {(u.prompt, u.seed, u.role): at for at, u in enumerate(self._opened.ranked.grid.snapshot.units)}

    def tile(self, place: Place) -> Tile | None:
        """The picture at a place; None where the grid has none."""
        cell, unit = self._axes.cell_at(place), self._axes.unit_at(place)
        if cell is None or unit is None:
            return None
        grid, at = self._drawn_as(cell), self._unit_places[unit.prompt, unit.seed, unit.role]
        row, opened = self._likeness[cell.id], self._opened
        failed = bool(opened.ranked.evidence.failed[row, at])
        score = tr("failed") if failed else self._in_words(float(opened.identity[row, at]))
        told = _told(grid.facts_of(cell).name, grid.asked(cell, unit), unit.seed, score)
        return Tile(grid.picture_id(cell, unit), score, told, cell, grid.picture_id(None, unit))

    def controls(self, place: dict[str, str], steps: Sequence[Step]) -> Iterator[Tile | None]:
        """The base model's pictures along an axis."""
        drawn = next(iter(self._axes.cells.values()))
        for step in steps:
            here = place | step.says
            unit = self._axes.unit_at(here)
            grid = self._drawn_as(next((c for c in self._axes.cells.values() if self._same(c, here)), drawn))
            yield None if unit is None else self._control(grid, unit)

    def _same(self, cell: Cell, place: Place) -> bool:
        grid = self._opened.ranked.grid
        return cell.on is None or str(grid.settings[cell.on]) == place[DRAWN]

    def _control(self, grid: Grid, unit: UnitRecord) -> Tile:
        at = self._unit_places[unit.prompt, unit.seed, unit.role]
        score = self._in_words(float(self._opened.identity_control[at]))
        own = grid.picture_id(None, unit)
        told = _told(tr(CONTROL), grid.asked(None, unit), unit.seed, score)
        return Tile(own, score, told, None, own)

    def _drawn_as(self, cell: Cell) -> Grid:
        """The grid beside the base model drawn as the cell is: one for each way, as looking it up compares them all."""
        key = id(cell.on), cell.called
        known = self._grids.get(key)
        if known is None:
            known = self._grids[key] = self._opened.ranked.grid.beside(cell)
        return known

    def _in_words(self, likeness: float) -> str:
        return tr(self._opened.words.lost_mark) if math.isnan(likeness) else f"{likeness:.2f}"
