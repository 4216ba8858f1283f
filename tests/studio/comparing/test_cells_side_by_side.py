"""Chosen cells beside each other: each tile is its cell's picture of that prompt and seed, the base model's last."""

from __future__ import annotations

from studio.comparing.cells_side_by_side import pages_of, side_by_side, units_on_page
from studio.picture_wall.axes import axes_of
from studio.picture_wall.chosen_place import row_of_tile
from studio.picture_wall.wall import MOST_PICTURES
from studio.picture_wall.wall_data import told_of
from studio.shared.pictures import units_of_role
from studio.shared.stores import OpenedStore


def test_every_tile_is_its_cells_picture_and_the_base_models_stands_last(opened: OpenedStore) -> None:
    grid, rows = opened.ranked.grid, [opened.rows[3], opened.rows[0]]
    for role in ("subject", "bleed"):
        units = units_of_role(opened, role)
        wall = side_by_side(opened, axes_of(opened), rows, units)
        assert [len(wall.rows), len(wall.columns)] == [len(units), 3]
        assert wall.columns[0] == f"{rows[0].place}. {rows[0].name}"
        for at, tiles in zip(units, wall.tiles, strict=True):
            unit = grid.snapshot.units[at]
            *own, control = tiles
            assert [tile and tile.picture for tile in own] == [grid.picture_id(opened.cell(row), unit) for row in rows]
            assert control is not None
            assert control.picture == grid.picture_id(None, unit)
            assert str(unit.seed) in control.told


def test_a_tile_taken_is_the_row_that_it_stands_for(opened: OpenedStore) -> None:
    rows = [opened.rows[2], opened.rows[1]]
    wall = side_by_side(opened, axes_of(opened), rows, units_of_role(opened, "subject")[:2])
    assert [row_of_tile(opened, wall, 1, column) for column in range(3)] == [2, 1, None]


def test_the_component_is_told_to_hold_cells_against_each_other(opened: OpenedStore) -> None:
    wall = side_by_side(opened, axes_of(opened), opened.rows[:2], units_of_role(opened, "subject")[:1])
    told = told_of(wall, opened.ranked.grid.store, "/pictures/key", side=224, against=True)
    assert told["against"] is True
    assert told["side"] == 224
    assert told_of(wall, opened.ranked.grid.store, "/pictures/key")["against"] is False


def test_pages_hold_every_prompt_and_seed_once() -> None:
    units = list(range(500))
    for columns in (1, 2, 4):
        shown = [units_on_page(units, columns, page) for page in range(pages_of(units, columns))]
        assert [one for page in shown for one in page] == units
        assert max(len(page) * (columns + 1) for page in shown) <= MOST_PICTURES
