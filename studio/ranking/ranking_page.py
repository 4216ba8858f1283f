"""The first page: the verdict in plain words, the ranking, and the charts. Shows what other modules worked out."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.elements.arrow import DataframeState
from streamlit.elements.lib.column_types import ColumnConfig
from streamlit.elements.lib.mutable_expander_container import ExpanderContainer

from eval.ranking.column import Column
from eval.ranking.columns import ALSO, COLUMNS, OF_CEILING
from eval.ranking.limits import Limits
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import SUBJECT
from eval.ranking.verdict import verdict
from eval.reporting.ranked_grid import report_data
from eval.reporting.ranking_table import provenance, shared_flags, trends_of
from eval.wording.subject_words import SubjectWords
from foundation.typed.untyped import untyped
from studio.languages.retelling import told
from studio.languages.translation import noted, tr
from studio.ranking.anew import (
    CALLED,
    DIFFERENCES,
    OFF,
    SHARES,
    Name,
    choices_of,
    own_limits,
    place_among,
    ranked_under,
)
from studio.ranking.known_charts import known_curve, known_map, known_trade_off
from studio.ranking.ranking_rows import (
    EACH,
    NO_OTHER,
    PICTURE,
    PLACE,
    Filters,
    also_of,
    checkpoints_in_order,
    epochs_in_order,
    ranking_table,
    tiles_of,
    usual_settings,
)
from studio.ranking.reference_pictures import reference_pictures
from studio.ranking.remarks import LONGEST_NOTE, Remark, keep_remark, kept_remarks
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.notices import show_tiles
from studio.shared.pictures import comparison, evenly_spaced, units_of_role
from studio.shared.session import chosen_row, opened_store, set_chosen
from studio.shared.stores import OpenedStore
from studio.shared.tables import as_table
from studio.shared.vega_lite import Spec

SAMPLES = 6
MOST_ROWS = 100
ROW_HEIGHT = 68
TABLE_ROWS = 7
TABLE = "row clicked"
EPOCHS, COSTS, WEIGHTS = (
    noted("Over the epochs"),
    noted("What likeness costs"),
    noted("UNet and text-encoder weights"),
)


def show() -> None:
    """Draw the page."""
    own = opened_store()
    opened = ranked_under(own, _ask_limits(own))
    _show_verdict(opened)
    _show_ranking(opened)
    _show_charts(opened)
    _show_provenance(opened)


def _ask_limits(opened: OpenedStore) -> Limits:
    """The limits to rank under: those of the specification, until somebody moves a slider."""
    kept = f"limits of {opened.folder}"
    limits: Limits = st.session_state.get(kept, own_limits(opened))
    box = _opened_when_asked(st.sidebar, tr("Limits, and the least difference that matters"), "limits")
    if box.open:
        with box:
            st.session_state[kept] = limits = _moved(opened, limits)
    return limits


def _moved(opened: OpenedStore, limits: Limits) -> Limits:
    """`limits` as the sliders have them now."""
    own = own_limits(opened)
    chosen: dict[Name, float | None] = {}
    for name, (title, meaning) in CALLED.items():
        asked = _slider(
            tr(title), tr(meaning), choices_of(getattr(own, name), SHARES), getattr(limits, name),
            f"limit {name} of {opened.folder}",
        )  # fmt: skip
        chosen[name] = None if isinstance(asked, str) else asked
    least = _slider(
        tr("A difference of likeness that matters"),
        tr("rows that are surely nearer to the first than that are as good"),
        choices_of(own.difference, DIFFERENCES)[:-1],
        limits.difference,
        f"difference of {opened.folder}",
    )
    st.caption(
        tr("Shares of what the same grid shows. They hold for this page; `[limits]` in the specification keeps them.")
    )
    return replace(limits, **chosen, difference=float(least))


def _slider(title: str, meaning: str, offered: list[float | str], value: float | None, key: str) -> float | str:
    """It stands where it was left, also after it was not drawn for a while."""
    st.session_state.setdefault(key, OFF if value is None else value)
    return st.select_slider(title, offered, key=key, format_func=_limit_in_words, help=meaning)


def _opened_when_asked(place: DeltaGenerator, title: str, key: str) -> ExpanderContainer:
    """A closed part of the page. What it holds is drawn while it is open: each click would draw it anew unseen."""
    return place.expander(title, key=f"{key} shown", on_change="rerun")


def _limit_in_words(limit: float | str) -> str:
    return tr(limit) if isinstance(limit, str) else str(limit)


def _show_verdict(opened: OpenedStore) -> None:
    said = verdict(opened.rows, opened.ranked.evidence, opened.scores)
    first, *others = said.sentences
    st.title(in_sentence(told(said.headline)), anchor=False)
    st.markdown(escaped(told(first)))
    # What the tiles, the samples and the notes show is the row that the headline names.
    best = said.taken or opened.rows[0]
    show_tiles(tiles_of(best, opened.words))
    _show_samples(opened, best)
    for sentence in others:
        st.markdown(in_sentence(told(sentence)))
    for sentence in trends_of(opened.rows):
        st.info(in_sentence(told(sentence)), icon=":material/trending_up:")
    for flag in best.flags:
        st.warning(in_sentence(told(flag)), icon=":material/info:")
    # Where there is no row to take, nothing is recommended; the page Export is still in the sidebar.
    if said.taken is not None and st.button(tr("Export it as one file"), type="tertiary", icon=":material/download:"):
        _choose(said.taken)
        st.switch_page("exporting/export_page.py")


def _show_samples(opened: OpenedStore, best: RankedCell) -> None:
    """A row's pictures above the base model's of the same prompts and seeds."""
    units = evenly_spaced(units_of_role(opened, SUBJECT), SAMPLES)
    for tile, unit in zip(st.columns(SAMPLES), comparison(opened, [best, None], units), strict=False):
        for picture, who in zip(unit.pictures, (tr("with it"), tr("base model")), strict=True):
            if picture.path:
                tile.image(
                    picture.path,
                    caption=tr("{cell}: {likeness}", cell=who, likeness=picture.likeness),
                    width="stretch",
                    alt=tr("{cell}: {prompt}, seed {seed}", cell=who, prompt=unit.prompt, seed=unit.seed),
                )
    if references := reference_pictures(opened, SAMPLES):
        box = _opened_when_asked(
            st.container(), tr("The subject's own pictures, which it is held against"), "references"
        )
        for tile, path in zip(box.columns(SAMPLES), references, strict=False) if box.open else ():
            tile.image(str(path), width="stretch", alt=tr("a reference: {file}", file=path.name))


def _show_ranking(opened: OpenedStore) -> None:
    st.header(tr("Ranking"), anchor=False)
    st.caption(
        tr("Rows that keep every limit come first, then likeness decides. Click a row to see what is noted about it.")
    )
    filters = _ask_filters(opened)
    places = [place for place, row in enumerate(opened.rows) if filters.keep(row)]
    if not places:
        st.info(tr("No row passes these filters."))
        return
    if len(places) > MOST_ROWS:
        st.caption(
            tr("The first {shown} of {total} rows; filter to see the others.", shown=MOST_ROWS, total=len(places))
        )
    table = ranking_table(opened, places[:MOST_ROWS], kept_remarks(opened.folder))
    event: DataframeState = untyped(st).dataframe(
        table,
        column_config=_column_config(opened.words),
        row_height=ROW_HEIGHT,
        height=ROW_HEIGHT * min(table.num_rows, TABLE_ROWS) + 40,
        on_select="rerun",
        selection_mode="single-cell",
        key="ranking",
        alt=tr("The ranking: a row for each cell, best first."),
    )
    clicked = event.selection.cells[0][0] if event.selection.cells else None
    _follow(opened, TABLE, None if clicked is None or clicked >= len(places) else places[clicked])
    _show_chosen(opened)


def _ask_filters(opened: OpenedStore) -> Filters:
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    others = list(dict.fromkeys(map(also_of, opened.rows)))
    checkpoints = left.multiselect(tr("Checkpoints"), checkpoints_in_order(opened.rows), placeholder=tr("all"))
    also: list[str] = []
    if len(others) > 1:
        also = middle.multiselect(
            tr("Other LoRAs blended in"), others, format_func=_also_in_words, placeholder=tr("all")
        )
    return Filters(checkpoints, also, right.toggle(tr("Within limits only")))


def _also_in_words(also: str) -> str:
    return tr(also) if also == NO_OTHER else also


def _column_config(words: SubjectWords) -> dict[str, ColumnConfig]:
    shown = {column.heading: _configured(column, told(column.explained(words))) for column in COLUMNS if column.heading}
    picture = st.column_config.ImageColumn(
        tr("picture"), width=70, help=tr("the picture of median likeness, not the luckiest")
    )
    each = st.column_config.BarChartColumn(
        tr(EACH), width=110, y_min=0.0, y_max=1.0, help=tr("the likeness of each of its pictures, the worst first")
    )
    place = st.column_config.NumberColumn(PLACE, width=50, pinned=True)
    return {PLACE: place, PICTURE: picture, EACH: each, **shown}


def _configured(column: Column, meaning: str) -> ColumnConfig:
    heading = tr(column.heading)
    if column is OF_CEILING:
        return st.column_config.ProgressColumn(
            heading, help=meaning, format=column.form.printf, min_value=0, max_value=100, width=120
        )
    if column.number:
        return st.column_config.NumberColumn(heading, help=meaning, format=column.form.printf)
    return st.column_config.TextColumn(heading, help=meaning, width=170 if column is ALSO else None)


def _follow(opened: OpenedStore, where: str, place: int | None) -> None:
    """Choose the row that was clicked on just now: what was clicked on before says no more than the choice does."""
    if place is None:
        st.session_state.pop(where, None)
    elif st.session_state.get(where) != (row := opened.rows[place]).name:
        st.session_state[where] = row.name
        _choose(row)


def _choose(row: RankedCell) -> None:
    """Choose a row of the ranking as it is shown, under whichever limits."""
    if (at := place_among(opened_store(), row.cell, row.checkpoint)) is not None:
        set_chosen(at)


def _show_chosen(opened: OpenedStore) -> None:
    """The chosen row, however and on whichever page it was chosen."""
    chosen = chosen_row()
    place = place_among(opened, chosen.cell, chosen.checkpoint)
    if place is None:
        return
    row = opened.rows[place]
    with st.container(border=True):
        st.markdown(tr("Chosen: **{place}\\. {cell}**", place=place + 1, cell=escaped(row.name)))
        _ask_remark(opened, row)
        own = [flag for flag in row.flags if flag not in shared_flags(opened.rows)]
        st.markdown("\n".join(f"- {in_sentence(told(flag))}" for flag in own) or tr("Nothing odd is noted about it."))
        st.page_link("comparing/comparing_page.py", label=tr("Look at its pictures"), icon=":material/compare:")


def _ask_remark(opened: OpenedStore, row: RankedCell) -> None:
    known = kept_remarks(opened.folder).get(row.cell, Remark())
    left, right = st.columns([1, 3], vertical_alignment="center")
    key = f"{row.cell} of {opened.folder}"
    favourite = left.toggle(tr("Favourite"), known.favourite, key=f"favourite {key}")
    note = right.text_input(tr("Note"), known.note, key=f"note {key}", max_chars=LONGEST_NOTE)
    if (asked := Remark(favourite, note.strip())) != known:
        keep_remark(opened.folder, row.cell, asked)
        st.rerun()


def _show_charts(opened: OpenedStore) -> None:
    """One at a time: each is drawn anew with every click on the page."""
    offered = dict(
        [
            *([(EPOCHS, _show_curve)] if len(epochs_in_order(opened.rows)) > 1 else []),
            *([(COSTS, _show_trade_off)] if known_trade_off(opened) else []),
            (WEIGHTS, _show_weights),
        ]
    )
    st.header(tr("Charts"), anchor=False)
    shown = st.segmented_control(
        tr("What is drawn"), list(offered), default=next(iter(offered)), format_func=tr, label_visibility="collapsed"
    )
    offered[shown or next(iter(offered))](opened)


def _show_curve(opened: OpenedStore) -> None:
    st.caption(tr("Each checkpoint at the same weights. A bar shows what to expect on other seeds, 19 times in 20."))
    epochs = set(epochs_in_order(opened.rows))
    there = list(dict.fromkeys(row.settings for row in opened.rows if row.checkpoint in epochs))
    settings = st.multiselect(
        tr("At the weights"),
        there,
        default=[one for one in usual_settings(opened.rows) if one in there] or there[:1],
        max_selections=5,
        placeholder=tr("Choose options"),
    )
    if settings:
        st.caption(tr("Click a point to choose its row."))
        _show_chart(opened, "epochs", known_curve(opened, tuple(settings)))


def _show_trade_off(opened: OpenedStore) -> None:
    if (drawn := known_trade_off(opened)) is not None:
        st.caption(
            tr(
                "Each row of the ranking. On the dashed line are those that no other row beats in both; which of them "
                "to take is yours to say. Click a point to choose its row."
            )
        )
        _show_chart(opened, "trade-off", drawn)


def _show_weights(opened: OpenedStore) -> None:
    st.caption(tr("Identity of one checkpoint. The outlined field is the first row; a pale figure is over a limit."))
    checkpoint = st.selectbox(tr("Checkpoint"), list(dict.fromkeys(row.checkpoint for row in opened.rows)))
    _show_chart(opened, "weights", known_map(opened, checkpoint))


def _show_chart(opened: OpenedStore, name: str, drawn: Spec) -> None:
    """A chart, of which a click on a point or field chooses the row, under the name of what is picked there."""
    width = "content" if name == "weights" else "stretch"
    event = untyped(st).vega_lite_chart(as_table(drawn), on_select="rerun", key=f"{name} chart", width=width)
    picked = next((one[0]["row"] for one in event.selection.values() if one), None)
    _follow(opened, name, None if picked is None else int(picked) - 1)


def _show_provenance(opened: OpenedStore) -> None:
    st.divider()
    st.caption(escaped(told(provenance(opened.ranked.evidence, len(opened.rows)))))
    box = _opened_when_asked(st.container(), tr("What the pictures were made and judged with"), "facts")
    if box.open:
        for name, fact in report_data(opened.ranked).facts.items():
            box.markdown(f"**{escaped(told(name))}**: {escaped(told(fact))}")


show()
