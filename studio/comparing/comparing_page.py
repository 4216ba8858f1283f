"""The second page: a cell's pictures beside those of its rival and the base model, unit by unit."""

from __future__ import annotations

import streamlit as st

from eval.ranking.columns import INTERVAL
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import BLEED, SUBJECT
from eval.reporting.ranking_table import shared_flags
from studio.ranking.frames import intervals_of, tiles_of
from studio.shared.markdown_text import escaped
from studio.shared.pictures import Picture, comparison, pairs_won, rival_of, units_of_role
from studio.shared.session import choose_row, opened_store
from studio.shared.stores import OpenedStore

PAGE = 8
ROLES = SUBJECT, BLEED


def show() -> None:
    """Draw the page."""
    opened = opened_store()
    st.title("Pictures, side by side", anchor=False)
    row = choose_row("Cell", opened.rows)
    rival = rival_of(opened, row)
    _show_figures(opened, row, rival)
    columns = [row, *([rival] if rival else []), None]
    called = {SUBJECT: "The subject", BLEED: opened.words.others.capitalize()}
    role = st.segmented_control("Pictures of", _roles_in(opened), format_func=called.__getitem__, default=SUBJECT)
    _show_pictures(opened, columns, role or SUBJECT)


def _show_figures(opened: OpenedStore, row: RankedCell, rival: RankedCell | None) -> None:
    for place, tile in zip(st.columns(6), tiles_of(row, opened.words), strict=False):
        place.metric(tile.name, tile.figure, help=tile.meaning)
    said = [f"Identity, {INTERVAL.heading}: {INTERVAL.text(row)}."] if INTERVAL.has_something([row]) else []
    said += intervals_of(row)
    if rival:
        won, pairs = pairs_won(opened, row, rival)
        said.append(f"More alike than {rival.name} on {won} of {pairs} (prompt, seed) pairs.")
    st.markdown(escaped(" ".join(said)))
    common = shared_flags(opened.rows)
    for flag in row.flags:
        if flag not in common:
            st.warning(escaped(flag), icon=":material/info:")


def _roles_in(opened: OpenedStore) -> list[str]:
    return [role for role in ROLES if units_of_role(opened, role)]


def _show_pictures(opened: OpenedStore, columns: list[RankedCell | None], role: str) -> None:
    units = units_of_role(opened, role)
    pages = -(-len(units) // PAGE)
    page = st.pagination(pages) if pages > 1 else 1
    _show_heads(opened, columns)
    for unit in comparison(opened, columns, units[(page - 1) * PAGE : page * PAGE]):
        label, *tiles = st.columns([1, *([1] * len(columns))])
        label.markdown(f"{escaped(unit.prompt)}  \n:gray[seed {unit.seed}]")
        for tile, picture in zip(tiles, unit.pictures, strict=True):
            with tile:
                _show_picture(picture)


def _show_heads(opened: OpenedStore, columns: list[RankedCell | None]) -> None:
    label, *tiles = st.columns([1, *([1] * len(columns))], vertical_alignment="bottom")
    label.caption("Below each picture: likeness to the subject")
    for tile, row in zip(tiles, columns, strict=True):
        tile.markdown(f"**{escaped(_head(opened, row))}**")


def _head(opened: OpenedStore, row: RankedCell | None) -> str:
    if row is None:
        return f"Base model, “{opened.ranked.grid.snapshot.class_word}” for the trigger"
    return f"{row.place}. {row.name}"


def _show_picture(picture: Picture) -> None:
    if picture.path:
        st.image(picture.path, caption=picture.likeness, width="stretch")
    else:
        st.caption(picture.likeness)


show()
