"""The page of pictures: a cell's beside those of up to three others and of the base model, unit by unit."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from eval.ranking.columns import INTERVAL
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import BLEED, SUBJECT
from eval.reporting.ranking_table import shared_flags
from studio.languages.translation import noted, tr
from studio.ranking.frames import intervals_of, tiles_of
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.pictures import Picture, UnitRow, comparison, pairs_won, rival_of, units_of_role
from studio.shared.session import choose_row, opened_store
from studio.shared.stores import OpenedStore

PAGE = 8
MOST_BESIDE = 3
SHOWN = "unit on show"
LARGE, ENLARGE, SMALL_AGAIN = "one at a time", noted("One at a time, large"), noted("All of them")
TURNS = ((noted("Back"), "left", -1), (noted("Next"), "right", 1))
ROLES = SUBJECT, BLEED


def show() -> None:
    """Draw the page."""
    opened = opened_store()
    st.title(tr("Pictures, side by side"), anchor=False)
    row = choose_row(tr("Cell"), opened.rows)
    others = _chosen_others(opened, row)
    _show_figures(opened, row, others)
    columns: list[RankedCell | None] = [row, *others, None]
    called = {SUBJECT: tr("The subject"), BLEED: tr(opened.words.others).capitalize()}
    role = st.segmented_control(tr("Pictures of"), _roles_in(opened), format_func=called.__getitem__, default=SUBJECT)
    _show_pictures(opened, columns, role or SUBJECT)


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
    for place, tile in zip(st.columns(6), tiles_of(row, opened.words), strict=False):
        place.metric(tile.name, tile.figure, help=tile.meaning)
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
            st.warning(in_sentence(flag), icon=":material/info:")


def _roles_in(opened: OpenedStore) -> list[str]:
    return [role for role in ROLES if units_of_role(opened, role)]


def _show_pictures(opened: OpenedStore, columns: list[RankedCell | None], role: str) -> None:
    units = units_of_role(opened, role)
    # A button: a chooser that has been clicked takes the arrow keys for itself.
    large = bool(st.session_state.get(LARGE))
    st.button(tr(SMALL_AGAIN if large else ENLARGE), on_click=_enlarge, args=(not large,))
    if large:
        _show_one(opened, columns, units)
        return
    pages = -(-len(units) // PAGE)
    page = st.pagination(pages) if pages > 1 else 1
    _show_heads(opened, columns)
    for unit in comparison(opened, columns, units[(page - 1) * PAGE : page * PAGE]):
        label, *tiles = st.columns([1, *([1] * len(columns))])
        label.markdown(tr("{prompt}  \n:gray[seed {seed}]", prompt=escaped(unit.prompt), seed=unit.seed))
        for tile, row, picture in zip(tiles, columns, unit.pictures, strict=True):
            with tile:
                _show_picture(picture, _told(opened, row, unit))


def _show_one(opened: OpenedStore, columns: list[RankedCell | None], units: Sequence[int]) -> None:
    """One prompt and seed, as large as there is room; a single widget's row of pictures is turned over in place."""
    at = int(st.session_state.get(SHOWN, 0)) % len(units)
    for place, (label, key, step) in zip(st.columns(len(TURNS)), TURNS, strict=True):
        place.button(tr(label), shortcut=key, width="stretch", on_click=_turn, args=((at + step) % len(units),))
    unit = comparison(opened, columns, [units[at]])[0]
    st.markdown(
        tr(
            "{prompt}  \n:gray[seed {seed}, {number} of {total}]",
            prompt=escaped(unit.prompt),
            seed=unit.seed,
            number=at + 1,
            total=len(units),
        )
    )
    places = st.columns(len(columns), vertical_alignment="bottom")
    for place, row, picture in zip(places, columns, unit.pictures, strict=True):
        with place:
            st.markdown(f"**{escaped(_head(opened, row))}**")
            _show_picture(picture, _told(opened, row, unit))


def _enlarge(large: bool) -> None:
    st.session_state[LARGE] = large


def _turn(at: int) -> None:
    st.session_state[SHOWN] = at


def _show_heads(opened: OpenedStore, columns: list[RankedCell | None]) -> None:
    label, *tiles = st.columns([1, *([1] * len(columns))], vertical_alignment="bottom")
    label.caption(tr("Below each picture: likeness to the subject"))
    for tile, row in zip(tiles, columns, strict=True):
        tile.markdown(f"**{escaped(_head(opened, row))}**")


def _head(opened: OpenedStore, row: RankedCell | None) -> str:
    if row is None:
        return tr("Base model, “{class_word}” for the trigger", class_word=opened.ranked.grid.snapshot.class_word)
    return f"{row.place}. {row.name}"


def _told(opened: OpenedStore, row: RankedCell | None, unit: UnitRow) -> str:
    return tr("{cell}: {prompt}, seed {seed}", cell=_head(opened, row), prompt=unit.prompt, seed=unit.seed)


def _show_picture(picture: Picture, told: str) -> None:
    if picture.path:
        st.image(picture.path, caption=picture.likeness, width="stretch", alt=told)
    else:
        st.caption(picture.likeness)


show()
