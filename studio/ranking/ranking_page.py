"""The first page: the verdict in plain words, the ranking, and the charts. Shows what other modules worked out."""

from __future__ import annotations

import streamlit as st
from streamlit.elements.arrow import DataframeState
from streamlit.elements.lib.column_types import ColumnConfig

from eval.ranking.column import Column
from eval.ranking.columns import ALSO, COLUMNS, OF_CEILING
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import SUBJECT
from eval.ranking.verdict import verdict
from eval.reporting.ranked_grid import report_data
from eval.reporting.ranking_table import provenance, shared_flags, trends_of
from eval.wording.subject_words import SubjectWords
from foundation.typed.untyped import untyped
from studio.ranking.charts import epoch_curve, weights_map
from studio.ranking.frames import (
    Filters,
    also_of,
    checkpoints_in_order,
    curve_frame,
    heat_frame,
    ranking_frame,
    tiles_of,
    usual_settings,
)
from studio.shared.markdown_text import escaped
from studio.shared.pictures import comparison, evenly_spaced, units_of_role
from studio.shared.session import opened_store, set_chosen
from studio.shared.stores import OpenedStore

SAMPLES = 6
MOST_ROWS = 100
ROW_HEIGHT = 68
TABLE_ROWS = 7


def show() -> None:
    """Draw the page."""
    opened = opened_store()
    _show_verdict(opened)
    _show_ranking(opened)
    _show_curve(opened)
    _show_weights(opened)
    _show_provenance(opened)


def _show_verdict(opened: OpenedStore) -> None:
    said = verdict(opened.rows, opened.ranked.evidence, opened.scores)
    first, *others = said.sentences
    st.title(escaped(said.headline), anchor=False)
    st.markdown(escaped(first))
    # What the tiles, the samples and the notes show is the row that the headline names.
    best = said.taken or opened.rows[0]
    for place, tile in zip(st.columns(6), tiles_of(best, opened.words), strict=False):
        place.metric(tile.name, tile.figure, help=tile.meaning)
    _show_samples(opened, best)
    for sentence in others:
        st.markdown(escaped(sentence))
    for sentence in trends_of(opened.rows):
        st.info(escaped(sentence), icon=":material/trending_up:")
    for flag in best.flags:
        st.warning(escaped(flag), icon=":material/info:")
    st.page_link("exporting/export_page.py", label="Export it as one file", icon=":material/download:")


def _show_samples(opened: OpenedStore, best: RankedCell) -> None:
    """A row's pictures above the base model's of the same prompts and seeds."""
    units = evenly_spaced(units_of_role(opened, SUBJECT), SAMPLES)
    for tile, unit in zip(st.columns(SAMPLES), comparison(opened, [best, None], units), strict=False):
        for picture, who in zip(unit.pictures, ("with it", "base model"), strict=True):
            if picture.path:
                tile.image(picture.path, caption=f"{who}: {picture.likeness}", width="stretch")


def _show_ranking(opened: OpenedStore) -> None:
    st.header("Ranking", anchor=False)
    st.caption(
        "Rows that keep every limit come first, then likeness decides. Click a row to see what is noted about it."
    )
    filters = _ask_filters(opened)
    places = [place for place, row in enumerate(opened.rows) if filters.keep(row)]
    if not places:
        st.info("No row passes these filters.")
        return
    if len(places) > MOST_ROWS:
        st.caption(f"The first {MOST_ROWS} of {len(places)} rows; filter to see the others.")
    frame = ranking_frame(opened, places[:MOST_ROWS])
    event: DataframeState = untyped(st).dataframe(
        frame,
        column_config=_column_config(opened.words),
        row_height=ROW_HEIGHT,
        height=ROW_HEIGHT * min(len(frame), TABLE_ROWS) + 40,
        on_select="rerun",
        selection_mode="single-row",
        key="ranking",
    )
    if event.selection.rows and event.selection.rows[0] < len(places):
        _show_chosen(opened, places[event.selection.rows[0]])


def _ask_filters(opened: OpenedStore) -> Filters:
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    others = list(dict.fromkeys(map(also_of, opened.rows)))
    checkpoints = left.multiselect("Checkpoints", checkpoints_in_order(opened.rows), placeholder="all")
    also = middle.multiselect("Other LoRAs blended in", others, placeholder="all") if len(others) > 1 else []
    return Filters(checkpoints, also, right.toggle("Within limits only"))


def _column_config(words: SubjectWords) -> dict[str, ColumnConfig]:
    shown = {column.heading: _configured(column, column.explained(words)) for column in COLUMNS if column.heading}
    picture = st.column_config.ImageColumn("picture", width=70, help="the picture of median likeness, not the luckiest")
    return {"picture": picture, **shown}


def _configured(column: Column, meaning: str) -> ColumnConfig:
    if column is OF_CEILING:
        return st.column_config.ProgressColumn(
            help=meaning, format=column.form.printf, min_value=0, max_value=100, width=120
        )
    if column.number:
        return st.column_config.NumberColumn(help=meaning, format=column.form.printf)
    return st.column_config.TextColumn(help=meaning, width=170 if column is ALSO else None)


def _show_chosen(opened: OpenedStore, place: int) -> None:
    set_chosen(place)
    row = opened.rows[place]
    with st.container(border=True):
        st.markdown(f"**{place + 1}\\. {escaped(row.name)}**")
        own = [flag for flag in row.flags if flag not in shared_flags(opened.rows)]
        st.markdown("\n".join(f"- {escaped(flag)}" for flag in own) or "Nothing odd is noted about it.")
        st.page_link("comparing/comparing_page.py", label="Look at its pictures", icon=":material/compare:")


def _show_curve(opened: OpenedStore) -> None:
    order = checkpoints_in_order(opened.rows)
    if len(order) < 2:
        return
    st.header("Over the epochs", anchor=False)
    st.caption("Each checkpoint at the same weights. A bar shows what to expect on other seeds, 19 times in 20.")
    there = list(dict.fromkeys(row.settings for row in opened.rows))
    settings = st.multiselect("At the weights", there, default=usual_settings(opened.rows), max_selections=5)
    if settings:
        levels = {"base model": opened.scores.floor, "subject's own pictures": opened.scores.ceiling}
        st.altair_chart(epoch_curve(curve_frame(opened.rows, settings), order, settings, levels))


def _show_weights(opened: OpenedStore) -> None:
    st.header("UNet and text-encoder weights", anchor=False)
    st.caption("Identity of one checkpoint. The outlined field is the first row; a pale figure is over a limit.")
    checkpoint = st.selectbox("Checkpoint", list(dict.fromkeys(row.checkpoint for row in opened.rows)))
    st.altair_chart(weights_map(heat_frame(opened.rows, checkpoint)), width="content")


def _show_provenance(opened: OpenedStore) -> None:
    st.divider()
    st.caption(escaped(provenance(opened.ranked.evidence, len(opened.rows))))
    with st.expander("What the pictures were made and judged with"):
        for name, fact in report_data(opened.ranked).facts.items():
            st.markdown(f"**{name}**: {escaped(fact)}")


show()
