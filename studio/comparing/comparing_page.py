"""The page of pictures: a cell's beside those of up to three others and of the base model, as a wall."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from eval.ranking.columns import INTERVAL
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import BLEED, SUBJECT
from eval.reporting.ranking_table import shared_flags
from studio.comparing.cells_side_by_side import pages_of, side_by_side, units_on_page
from studio.languages.retelling import told
from studio.languages.translation import tr
from studio.picture_wall.chosen_place import known_axes, row_of_tile
from studio.picture_wall.wall_component import picture_wall
from studio.picture_wall.wall_data import told_of
from studio.ranking.ranking_rows import intervals_of, tiles_of
from studio.serving.served_stores import SERVED
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.notices import show_tiles
from studio.shared.pictures import pairs_won, rival_of, units_of_role
from studio.shared.session import choose_row, opened_store, set_chosen
from studio.shared.stores import OpenedStore

MOST_BESIDE = 3
SIDE = 224  # pixels of a picture at first: there are five columns at most
WALL, TAKEN = "pictures side by side", "taken from those side by side"
ROLES = SUBJECT, BLEED


def show() -> None:
    """Draw the page."""
    opened = opened_store()
    st.title(tr("Pictures, side by side"), anchor=False)
    if (taken := st.session_state.pop(TAKEN, None)) is not None:
        set_chosen(taken)  # before the chooser is there: after it Streamlit takes no other value
    row = choose_row(tr("Cell"), opened.rows)
    others = _chosen_others(opened, row)
    _show_figures(opened, row, others)
    called = {SUBJECT: tr("The subject"), BLEED: tr(opened.words.others).capitalize()}
    role = st.segmented_control(tr("Pictures of"), _roles_in(opened), format_func=called.__getitem__, default=SUBJECT)
    _show_pictures(opened, [row, *others], role or SUBJECT)


def _chosen_others(opened: OpenedStore, row: RankedCell) -> list[RankedCell]:
    """The cells beside it: up to three of one's own choice, its rival at first."""
    rows, rival = opened.rows, rival_of(opened, row)

    def called(place: int) -> str:
        return f"{rows[place].place}. {rows[place].name}"

    places = st.multiselect(
        tr("Beside"),
        [place for place, other in enumerate(rows) if other != row],
        default=[rows.index(rival)] if rival else [],
        format_func=called,
        max_selections=MOST_BESIDE,
        key=f"beside {row.place}",
        placeholder=tr("Choose options"),
        help=tr("Up to {count} cells, on the same prompts and seeds. The base model stands last.", count=MOST_BESIDE),
    )
    return [rows[place] for place in places]


def _show_figures(opened: OpenedStore, row: RankedCell, others: Sequence[RankedCell]) -> None:
    show_tiles(tiles_of(row, opened.words))
    said = intervals_of(row)
    if INTERVAL.has_something([row]):
        said = [tr("Identity, {interval}: {value}.", interval=tr(INTERVAL.heading), value=INTERVAL.text(row)), *said]
    for other in others:
        won, pairs = pairs_won(opened, row, other)
        said.append(
            tr(
                "More alike than {cell} on {won} of {pairs} (prompt, seed) pairs.",
                cell=other.name,
                won=won,
                pairs=pairs,
            )
        )
    st.markdown(escaped(" ".join(said)))
    common = shared_flags(opened.rows)
    for flag in row.flags:
        if flag not in common:
            st.warning(in_sentence(told(flag)), icon=":material/info:")


def _roles_in(opened: OpenedStore) -> list[str]:
    return [role for role in ROLES if units_of_role(opened, role)]


def _show_pictures(opened: OpenedStore, rows: list[RankedCell], role: str) -> None:
    units = units_of_role(opened, role)
    pages = pages_of(units, len(rows))
    page = st.pagination(pages, key=f"pages of {role}") - 1 if pages > 1 else 0
    st.caption(
        tr(
            "Likeness to the subject stands below each picture. Enter, or a click, opens one large: up and down walk "
            "prompts and seeds, left and right the cells; S lays it over its rival under a slider, F shows the two in "
            "turn, D their difference."
        )
    )
    wall = side_by_side(opened, known_axes(opened), rows, units_on_page(units, len(rows), page))
    store = opened.ranked.grid.store
    told = told_of(wall, store, SERVED.offer(store), side=SIDE, against=True)
    tile = picture_wall(told, WALL, lambda: None)
    if tile is not None and (place := row_of_tile(opened, wall, *tile)) is not None:
        st.session_state[TAKEN] = place
        st.rerun()


show()
