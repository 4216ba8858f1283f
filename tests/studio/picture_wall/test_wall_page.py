"""The page of the grid: any two axes as a wall, in pages, with the base model; and what the component is told."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from eval.store.store import open_store
from studio.picture_wall.axes import PAIRS, PROMPT, RANKED, SEED, TITLES, Axes, axes_of
from studio.picture_wall.chosen_place import first_choice, row_of_tile
from studio.picture_wall.sheet import TILE as SHEET_TILE
from studio.picture_wall.sheet import sheet_png
from studio.picture_wall.wall import CONTROL, MOST_COLUMNS, MOST_PICTURES, Asked, Paging, has_control, wall_of
from studio.picture_wall.wall_component import HERE
from studio.picture_wall.wall_data import told_of
from studio.shared.stores import OpenedStore

ENTRY = Path(__file__).resolve().parents[3] / "studio" / "streamlit_app.py"


@pytest.fixture(scope="module")
def axes(opened: OpenedStore) -> Axes:
    return axes_of(opened)


def asked(opened: OpenedStore, axes: Axes, rows: str, columns: str) -> Asked:
    down, across = axes.by_title[rows], axes.by_title[columns]
    return Asked(down, across, dict(first_choice(opened, axes, down, across)))


def test_axes_are_what_varies_and_stand_in_order(opened: OpenedStore, axes: Axes) -> None:
    assert [step.name for step in axes.by_title["Checkpoint"].steps] == ["tessa-000002", "tessa-000004", "tessa-000006"]
    assert [step.name for step in axes.by_title["UNet weight"].steps] == ["0.6", "1"]
    assert [step.name for step in axes.by_title["TEnc weight"].steps] == ["0.5", "1"]
    assert len(axes.by_title["Blended with"].steps) == 2
    assert [step.name for step in axes.by_title["Seed"].steps] == ["1", "2", "3"]
    assert len(axes.by_title[PAIRS].steps) == len(opened.ranked.grid.snapshot.units)
    assert next(step.name for step in axes.by_title[RANKED].steps) == f"1. {opened.rows[0].name}"
    assert TITLES["te2"] not in axes.by_title
    assert TITLES["drawn with"] not in axes.by_title


@pytest.mark.parametrize(("rows", "columns"), [("Checkpoint", "UNet weight"), (PAIRS, RANKED), ("Seed", "Prompt")])
def test_every_tile_is_the_picture_of_its_row_and_column(
    opened: OpenedStore, axes: Axes, rows: str, columns: str
) -> None:
    wanted = replace(asked(opened, axes, rows, columns), with_control=False)
    wall, grid = wall_of(opened, axes, wanted), opened.ranked.grid
    known = 0
    for step, tiles in zip(wanted.rows.steps, wall.tiles, strict=True):
        for one, tile in zip(wanted.columns.steps, tiles, strict=True):
            place = axes.fixed | wanted.chosen | step.says | one.says
            cell, unit = axes.cell_at(place), axes.unit_at(place)
            if tile is None:
                assert cell is None or unit is None
                continue
            assert cell is not None
            assert unit is not None
            known += 1
            assert tile.picture == grid.picture_id(cell, unit)
            assert place[PROMPT] in tile.told
            assert f"seed {place[SEED]}" in tile.told
            assert tile.score in tile.told
    assert known


def test_the_base_model_stands_where_prompts_do_not_vary(opened: OpenedStore, axes: Axes) -> None:
    column = wall_of(opened, axes, asked(opened, axes, PAIRS, "Checkpoint"))
    assert column.columns[0] == CONTROL
    assert [row[0].picture for row in column.tiles if row[0]] == [row[1].base for row in column.tiles if row[1]]
    row = wall_of(opened, axes, asked(opened, axes, "UNet weight", "Seed"))
    assert row.rows[0] == CONTROL
    assert not has_control(asked(opened, axes, "Prompt", "Seed"))


def test_a_wall_begins_where_it_has_the_fewest_gaps(opened: OpenedStore, axes: Axes) -> None:
    wall = wall_of(opened, axes, asked(opened, axes, PAIRS, "Checkpoint"))
    assert opened.rows[0].also, "the best row is a blend, which the grid has of one checkpoint alone"
    assert all(tile for row in wall.tiles for tile in row)


def test_pages_hold_everything_once_and_never_too_much() -> None:
    for rows, columns in ((1, 1), (50, 2000), (2000, 50), (7, 30), (1000, 1)):
        paging = Paging(rows, columns)
        assert paging.rows_a_page * paging.columns_a_page <= MOST_PICTURES
        assert paging.columns_a_page <= MOST_COLUMNS
        shown = [one for page in range(paging.row_pages) for one in range(rows)[paging.rows_of(page)]]
        assert shown == list(range(rows))
        shown = [one for page in range(paging.column_pages) for one in range(columns)[paging.columns_of(page)]]
        assert shown == list(range(columns))


def test_the_component_is_told_addresses_that_hold_the_hash(opened: OpenedStore, axes: Axes) -> None:
    store = open_store(opened.folder)
    wall = wall_of(opened, axes, asked(opened, axes, PAIRS, "Checkpoint"))
    told = told_of(wall, store, "/pictures/key")
    tiles = told["tiles"]
    assert isinstance(tiles, list)
    first = tiles[0][1]
    tile = wall.tiles[0][1]
    assert tile is not None
    content = store.contents([tile.picture])[tile.picture]
    assert first["small"] == f"/pictures/key/small/{tile.picture}/{content}"
    assert first["told"] == tile.told
    assert len(store.contents(wall.pictures)) == len(wall.pictures)


def test_a_tile_is_a_row_of_the_ranking_and_nothing_else_is(opened: OpenedStore, axes: Axes) -> None:
    wall = wall_of(opened, axes, asked(opened, axes, PAIRS, RANKED))
    assert row_of_tile(opened, wall, 0, 1) == 0
    assert row_of_tile(opened, wall, 1, 4) == 3
    assert row_of_tile(opened, wall, 0, 0) is None
    assert row_of_tile(opened, wall, 0, 10_000) is None
    assert row_of_tile(opened, wall, -1, 0) is None


def test_the_contact_sheet_holds_the_whole_page(opened: OpenedStore, axes: Axes) -> None:
    wall = wall_of(opened, axes, asked(opened, axes, "Seed", "Checkpoint"))
    sheet = Image.open(io.BytesIO(sheet_png(opened, wall)))
    assert sheet.format == "PNG"
    assert sheet.width > len(wall.columns) * SHEET_TILE
    assert sheet.height > len(wall.rows) * SHEET_TILE


def test_the_component_makes_no_markup_of_words() -> None:
    script = (HERE / "wall.js").read_text(encoding="utf-8")
    assert not [
        way for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(") if way in script
    ]
    assert "alt: tile.told" in script


def test_the_page_asks_for_axes_and_shows_a_wall(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_STUDIO_STORE", str(store))
    monkeypatch.chdir(store.parent)
    monkeypatch.setattr(sys, "argv", ["streamlit_app.py"])
    app = AppTest.from_file(str(ENTRY), default_timeout=60).run()
    app.switch_page("picture_wall/wall_page.py").run()
    assert not app.exception
    assert app.title[0].value == "Grid"
    assert [one.label for one in app.select_slider] == ["UNet weight", "TEnc weight"]
    app.selectbox[0].set_value("Prompt").run()
    assert not app.exception
    app.selectbox[1].set_value("Seed").run()
    assert not app.exception
