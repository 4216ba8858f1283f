"""The page of the grid: any two axes as a wall of pictures, all others as choosers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from studio.languages.known import ENGLISH
from studio.languages.translation import language, speaking, tr
from studio.picture_wall.axes import CHECKPOINT, NOTHING, PAIRS, RANKED, TITLES, Axes, Axis, Place
from studio.picture_wall.chosen_place import first_choice, known_axes, row_of_tile
from studio.picture_wall.sheet import sheet_png
from studio.picture_wall.wall import Asked, Wall, has_control, paging_of, wall_of
from studio.picture_wall.wall_component import picture_wall
from studio.picture_wall.wall_data import told_of
from studio.serving.served_stores import SERVED
from studio.shared.session import opened_store, set_chosen
from studio.shared.stores import OpenedStore

WALL = "picture wall"
# A slider is no help to find one of so many.
MOST_ON_A_SLIDER = 24
SLIDING = ("weight", "Checkpoint", "Seed")
AXIS = 220  # pixels: the longest name of an axis, in every language


def show() -> None:
    """Draw the page."""
    opened = opened_store()
    axes = known_axes(opened)
    st.title(tr("Grid"), anchor=False)
    rows, columns, with_control = _ask_axes(axes)
    chosen = _ask_others(axes, axes.left_open(rows, columns), first_choice(opened, axes, rows, columns))
    asked = _ask_pages(Asked(rows, columns, chosen, with_control=with_control))
    wall = wall_of(opened, axes, asked)
    if not any(tile for row in wall.tiles for tile in row):
        st.info(tr("This grid has no pictures of that combination: choose other weights or another LoRA beside it."))
        return
    _show_wall(opened, wall)
    on_paper = wall if language() == ENGLISH else _in_english(opened, asked)
    st.download_button(
        tr("Contact sheet of this page, as PNG"),
        lambda: sheet_png(opened, on_paper),
        f"{opened.folder.parent.name}-sheet.png",
        "image/png",
        on_click="ignore",
    )


def _in_english(opened: OpenedStore, asked: Asked) -> Wall:
    """The wall for a contact sheet: the font that is at hand everywhere has Latin letters alone."""
    with speaking(ENGLISH):
        axes = known_axes(opened)
        rows, columns = (axes.by_title[one.title] for one in (asked.rows, asked.columns))
        return wall_of(opened, axes, replace(asked, rows=rows, columns=columns))


def _ask_axes(axes: Axes) -> tuple[Axis, Axis, bool]:
    titles = list(axes.by_title)
    line = st.container(horizontal=True, vertical_alignment="bottom")
    down = axes.by_title[line.selectbox(tr("Rows"), titles, index=titles.index(PAIRS), format_func=tr, width=AXIS)]
    possible = [title for title in titles if not axes.by_title[title].clashes(down)]
    preferred = TITLES[CHECKPOINT] if len(axes.by_title[TITLES[CHECKPOINT]].steps) > 1 else RANKED
    at = possible.index(preferred) if preferred in possible else 0
    across = axes.by_title[line.selectbox(tr("Columns"), possible, index=at, format_func=tr, width=AXIS)]
    if not has_control(Asked(down, across, {})):
        line.caption(tr("The base model is under each picture: B turns to it."))
        return down, across, False
    return down, across, line.toggle(tr("Base model"), value=True, help=tr("Shown beside them."))


def _ask_others(axes: Axes, others: Sequence[Axis], first: Place) -> dict[str, str]:
    """What is chosen along the axes that are neither rows nor columns, beginning with the best row's."""
    chosen = dict(axes.fixed)
    if not others:
        return chosen
    places = st.columns(min(3, len(others)))
    for at, axis in enumerate(others):
        names, word = [step.name for step in axis.steps], axis.sets[0]
        here = places[at % len(places)]
        value = first.get(word, names[0])
        if 1 < len(names) <= MOST_ON_A_SLIDER and axis.title.endswith(SLIDING):
            chosen[word] = here.select_slider(tr(axis.title), names, value=value)
        else:
            chosen[word] = here.selectbox(tr(axis.title), names, index=names.index(value), format_func=_name_in_words)
    return chosen


def _name_in_words(name: str) -> str:
    return tr(name) if name == NOTHING else name


def _ask_pages(asked: Asked) -> Asked:
    paging = paging_of(asked.rows, asked.columns)
    row = st.pagination(paging.row_pages, key="pages of rows") - 1 if paging.row_pages > 1 else 0
    column = 0
    if paging.column_pages > 1:
        st.caption(tr("Further columns:"))
        column = st.pagination(paging.column_pages, key="pages of columns") - 1
    return Asked(asked.rows, asked.columns, asked.chosen, row, column, asked.with_control)


def _show_wall(opened: OpenedStore, wall: Wall) -> None:
    store = opened.ranked.grid.store
    tile = picture_wall(told_of(wall, store, SERVED.offer(store)), WALL, lambda: None)
    if tile is not None and (place := row_of_tile(opened, wall, *tile)) is not None:
        set_chosen(place)
        st.toast(tr("The other pages now show that cell."))


show()
