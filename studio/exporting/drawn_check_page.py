"""The part of a page that draws a written file anew and shows it beside what was scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from eval.exporting.exported import Exported
from eval.ranking.ranked_cell import RankedCell
from studio.exporting.drawn_check import ToDraw, held_against, in_words, pictures_to_draw, spec_of_store
from studio.languages.translation import tr
from studio.previewing.drawing_process import place_of, see_to_it
from studio.previewing.wanted_pictures import ask, ask_in_turn, forget_failures, preview_of
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.notices import REFRESH
from studio.shared.session import allowed, found_work, in_chosen_language
from studio.shared.stores import OpenedStore

CHECKED = "file drawn anew"


def show_drawn_check(opened: OpenedStore, row: RankedCell, written: Exported) -> None:
    """A button that has the file drawn, and what came of it."""
    spec = spec_of_store(opened, found_work().grids)
    if spec is None:
        st.markdown(tr("To see it drawn anew, start the studio in the folder of the `grid.toml` that drew this store."))
        return
    if st.button(tr("Draw it anew and compare"), help=tr("A few of its pictures, from the written file alone.")):
        st.session_state[CHECKED] = written.sha256
    if st.session_state.get(CHECKED) != written.sha256:
        return
    place, drawn = place_of(allowed().here), pictures_to_draw(opened, row, written, spec)
    if not drawn:
        st.info(tr("Its scored pictures are not there any more: run the grid again, which makes what is missing."))
        return
    ask(place, [one.wanted for one in drawn])
    if all(preview_of(place, one.wanted).is_over for one in drawn):
        _show_result(place, drawn, written)
    else:
        _show_until_over(place, drawn)


@st.fragment(run_every=REFRESH)
@in_chosen_language
def _show_until_over(place: Path, drawn: Sequence[ToDraw]) -> None:
    previews = [preview_of(place, one.wanted) for one in drawn]
    over = sum(one.is_over for one in previews)
    if over == len(drawn):
        st.rerun()
    ask_in_turn(place, [one.wanted for one in drawn])
    see_to_it(place)
    at = next(one for one in previews if not one.is_over)
    steps = drawn[0].wanted.steps
    words = tr("Picture {number} of {total}: step {done} of {steps}", number=over + 1, total=len(drawn), done=at.done,
               steps=steps)  # fmt: skip
    st.progress((over + min(1.0, at.done / steps)) / len(drawn), text=words)


def _show_result(place: Path, drawn: Sequence[ToDraw], written: Exported) -> None:
    previews = [preview_of(place, one.wanted) for one in drawn]
    if failure := next((one.failure for one in previews if one.failure), ""):
        st.warning(in_sentence(failure), icon=":material/error:")
        st.button(tr("Try again"), key="draw anew again", on_click=lambda: forget_failures(place))
        return
    pairs = [(preview.picture, one) for preview, one in zip(previews, drawn, strict=True) if preview.picture]
    said, is_as_scored = in_words([held_against(picture, one) for picture, one in pairs], written)
    show = st.success if is_as_scored else st.warning
    show(escaped(said), icon=":material/check:" if is_as_scored else ":material/error:")
    for tile, (picture, one) in zip(st.columns(len(pairs)), pairs, strict=True):
        told = f"{one.wanted.prompt}, {one.seed}"
        scored, anew = tr("as it was scored: {prompt}", prompt=told), tr("drawn from the file: {prompt}", prompt=told)
        tile.image(str(one.scored), caption=scored, width="stretch", alt=scored)
        tile.image(str(picture), caption=anew, width="stretch", alt=anew)
