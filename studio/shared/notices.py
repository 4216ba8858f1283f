"""What the studio says when there is nothing to show, or something is wrong: which command helps."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from eval.store.connection import StoreError
from foundation.errors import UserError
from studio.shared.markdown_text import escaped
from studio.shared.stores import RUNS, VARIABLE, pictures_made


def show_no_store() -> None:
    """The first thing that a new user sees."""
    st.title("No grid to look at yet")
    st.write(
        f"The studio shows what a grid has rendered and scored. It found none below {escaped(str(Path.cwd() / RUNS))}."
    )
    st.write("Make one from the shipped subject, in a few minutes on a CPU:")
    st.code("make demo", language="bash")
    st.write("Or from your own LoRA checkpoints, with a specification of the grid:")
    st.code("python -m eval grid SPEC.toml", language="bash")
    st.write(f"A store elsewhere is named after two dashes, or in the variable `{VARIABLE}`, or typed at the left:")
    st.code("streamlit run studio -- STORE", language="bash")


def show_problem(problem: UserError, folder: Path) -> None:
    """An error that the user can fix, in its own words; a grid still being made says how far it is."""
    st.warning(escaped(str(problem)), icon=":material/error:")
    if isinstance(problem, StoreError) and folder.is_dir():
        _show_progress(folder)


def _show_progress(folder: Path) -> None:
    try:
        made = pictures_made(folder)
    except StoreError:
        return
    st.write(f"{made} pictures are rendered so far. If the grid is running now, come back when it is done.")
    st.button("Look again", icon=":material/refresh:")
