"""What the studio says when there is nothing to show, or something is wrong: which command helps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import streamlit as st

from eval.store.connection import StoreError, last_changed
from eval.store.store_progress import StoreProgress
from foundation.errors import UserError
from foundation.printing import as_typed
from studio.languages.translation import tr
from studio.shared.allowed_folders import VARIABLE
from studio.shared.figure_tile import Tile
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.session import allowed, in_chosen_language
from studio.shared.stores import RUNS, is_finished, store_progress
from studio.shared.time_words import how_far

REFRESH = 2.0  # seconds between two looks at what is being made


def show_no_store() -> None:
    """What a page says that needs a store where there is none."""
    st.title(tr("No grid to look at yet"), anchor=False)
    st.write(
        tr(
            "This page shows what a grid has rendered and scored. There is none below {folder}: the page Home begins "
            "with a subject, or makes the demo in a few minutes.",
            folder=escaped(str(Path.cwd() / RUNS)),
        )
    )
    st.write(tr("Or, in a terminal, of your own LoRA checkpoints, with a specification of the grid:"))
    show_command("python -m eval grid SPEC.toml")
    st.write(tr("A store elsewhere is named after two dashes, or in the variable `{variable}`:", variable=VARIABLE))
    show_command("python -m streamlit run studio -- STORE")


def show_command(command: str) -> None:
    """A command to copy, as it is typed where the studio was started. Its colours as code would be too pale."""
    st.code(as_typed(command), language=None, wrap_lines=True)


def show_tiles(tiles: Sequence[Tile]) -> None:
    """Figures beside each other, as wide as they are: on a narrow page they wrap, where columns would cut them."""
    with st.container(horizontal=True, gap="medium"):
        for tile in tiles:
            st.metric(tile.name, tile.figure, help=tile.meaning, width="content")


def show_problem(problem: UserError, folder: Path | None) -> None:
    """An error that the user can fix, in its own words; a grid still being made says how far it is, by itself."""
    is_open = isinstance(problem, StoreError) and folder is not None and not is_finished(folder, last_changed(folder))
    progress = _progress_of(folder) if is_open and folder is not None else None
    if progress is None or folder is None:
        st.warning(in_sentence(str(problem)), icon=":material/error:")
        return
    if progress.is_being_drawn:
        st.info(
            tr(
                "{store} is being drawn now, by a process of its own. Its ranking comes by itself once all of its "
                "pictures are scored.",
                store=escaped(allowed().called(folder)),
            ),
            icon=":material/hourglass:",
        )
    else:
        st.warning(in_sentence(str(problem)), icon=":material/error:")
    _show_progress(folder, progress.is_being_drawn)


@st.fragment(run_every=REFRESH)
@in_chosen_language
def _show_progress(folder: Path, was_being_drawn: bool) -> None:
    progress = _progress_of(folder)
    if progress is None:
        return
    if progress.is_finished or progress.is_being_drawn != was_being_drawn:
        st.rerun()
    show_how_far(progress)


def _progress_of(folder: Path) -> StoreProgress | None:
    """None where the store cannot be read."""
    try:
        return store_progress(folder)
    except (UserError, OSError):
        return None


def show_how_far(progress: StoreProgress) -> None:
    """A bar with how many pictures there are, and when the last will be."""
    text = escaped(how_far(progress, datetime.now().astimezone()))
    if progress.total:
        st.progress(min(1.0, progress.made / progress.total), text=text)
    else:
        st.write(text)
