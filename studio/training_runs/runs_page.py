"""The page of runs: what became of each, their figures over the epochs side by side, and what differs between them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from foundation.typed.untyped import untyped
from studio.languages.translation import tr
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.notices import show_command
from studio.shared.session import found_work
from studio.shared.tables import as_table
from studio.training_runs.run_curves import (
    COST,
    EPOCH,
    FIGURES,
    LIKENESS,
    LIKENESS_MEANS,
    MINUTES,
    MOST_AT_ONCE,
    SCORE,
    STEP,
    STEPS,
    STEPS_MEAN,
    differing,
    epoch_rows,
    find_runs,
    names_of,
    run_chart,
    runs_table,
    step_rows,
    verdict_in_words,
)
from studio.training_runs.run_states import state_in_words
from studio.training_runs.sample_pictures import samples_of
from trainer.records.ledger import LedgerEntry


def show() -> None:
    """Draw the page."""
    st.title(tr("Runs"), anchor=False)
    places = [Path(name).expanduser() for name in sys.argv[1:]] or [one.parent for one in found_work().records]
    ledger = find_runs(places, Path.cwd())
    for why in ledger.unreadable.values():
        st.warning(in_sentence(why), icon=":material/error:")
    if not ledger.entries:
        st.write(tr("No run has been begun below this folder. One is made by:"))
        show_command("python -m trainer init FOLDER\npython -m trainer run FOLDER/train.toml")
        return
    _show_table(ledger.entries)
    chosen = _chosen(ledger.entries)
    if chosen:
        _show_verdicts(chosen)
        _show_curves(chosen)
        _show_samples(chosen)


def _show_table(entries: Sequence[LedgerEntry]) -> None:
    untyped(st).dataframe(
        runs_table(entries),
        hide_index=True,
        alt=tr("Runs of training, a row each."),
        column_config={
            SCORE: st.column_config.NumberColumn(
                tr(SCORE),
                format="%.3f",
                help=tr("the likeness of the first row of its files alone, in the grid that was ranked last"),
            ),
            MINUTES: st.column_config.NumberColumn(tr(MINUTES), format="%.1f"),
            COST: st.column_config.NumberColumn(tr(COST), help=tr("at output.price_per_hour"), format="%.2f"),
        },
    )


def _chosen(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """The runs to look at; the last two at first."""
    names = names_of(entries)
    chosen = st.multiselect(
        tr("Side by side"), range(len(entries)), default=range(len(entries))[-2:], format_func=names.__getitem__,
        max_selections=MOST_AT_ONCE, placeholder=tr("Choose options"),
    )  # fmt: skip
    return [entries[at] for at in sorted(chosen)]


def _show_verdicts(chosen: Sequence[LedgerEntry]) -> None:
    for name, entry in zip(names_of(chosen), chosen, strict=True):
        said = verdict_in_words(entry.record)
        st.markdown(f"**{escaped(name)}**, {state_in_words(entry)}: {escaped(said or tr('no epoch is finished yet'))}")
    for sentence in differing(chosen):
        st.markdown(in_sentence(sentence))


def _show_curves(chosen: Sequence[LedgerEntry]) -> None:
    figures = [one for one in (*FIGURES, LIKENESS) if len(epoch_rows(chosen, one))]
    steps = step_rows(chosen)
    shown = [*figures, *([STEPS] if len(steps) else [])]
    if not shown:
        st.caption(tr("Nothing was measured of these runs yet."))
        return
    figure = st.segmented_control(tr("Over the epochs"), shown, default=shown[0], format_func=tr) or shown[0]
    if figure == STEPS:
        st.caption(tr(STEPS_MEAN))
        untyped(st).vega_lite_chart(as_table(run_chart(steps, STEP, tr(figure))))
    else:
        st.caption(tr(LIKENESS_MEANS if figure == LIKENESS else FIGURES[figure].meaning))
        untyped(st).vega_lite_chart(as_table(run_chart(epoch_rows(chosen, figure), EPOCH, tr(figure))))


def _show_samples(chosen: Sequence[LedgerEntry]) -> None:
    """A row of sample pictures an epoch, of one run."""
    with_some = [entry for entry in chosen if samples_of(entry)]
    if not with_some:
        return
    st.header(tr("Sample pictures"), anchor=False)
    names = names_of(with_some)
    at = st.selectbox(tr("Of the run"), range(len(with_some)), format_func=names.__getitem__) if len(names) > 1 else 0
    for row in samples_of(with_some[at or 0]):
        label, *places = st.columns([1, *[1] * len(row.pictures)])
        label.markdown(f"{row.title}  \n:gray[{row.likeness}]")
        for place, picture in zip(places, row.pictures, strict=True):
            if picture.is_file():
                place.image(picture, width="stretch", alt=tr("{title} of {run}", title=row.title, run=names[at or 0]))
            else:
                place.caption(tr("not there"))


show()
