"""What the pages share in a browser session: the opened store, and the chosen row of its ranking."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import streamlit as st

from eval.ranking.ranked_cell import RankedCell
from eval.store.connection import last_changed
from foundation.errors import UserError
from studio.languages.known import LANGUAGES, language_of
from studio.languages.translation import speak, tr
from studio.shared.allowed_folders import AllowedFolders, allowed_folders
from studio.shared.found_work import FoundWork, found_lately
from studio.shared.stores import OpenedStore, find_stores, finished_first, open_for_pages, short_names

P = ParamSpec("P")
R = TypeVar("R")
STORE = "store"
CHOSEN = "chosen"
STORE_NAME = "store name"
WANTED = "wanted store"
STANDS_AT = "store that the sidebar stands at"
LANGUAGE = "language"


def allowed() -> AllowedFolders:
    """The folders that pages may be told of."""
    return allowed_folders(sys.argv[1:], os.environ, Path.cwd())


def found_work() -> FoundWork:
    """What lies below these folders, looked for again after some seconds."""
    return found_lately(allowed().roots)


def chosen_language() -> str:
    """What was chosen, else the browser's language."""
    return str(st.session_state.setdefault(LANGUAGE, language_of(st.context.locale)))


def ask_language() -> None:
    """The sidebar's chooser of languages, each by its own name. It stands on all pages, so the choice is kept."""
    st.sidebar.selectbox(tr("Language"), list(LANGUAGES), key=LANGUAGE, format_func=lambda code: LANGUAGES[code].name)


def in_chosen_language(function: Callable[P, R]) -> Callable[P, R]:
    """For what Streamlit calls by itself, without a run of the entry: a fragment, or what a button does."""

    @wraps(function)
    def speaks(*args: P.args, **kwargs: P.kwargs) -> R:
        speak(chosen_language())
        return function(*args, **kwargs)

    return speaks


def choose_store() -> Path | None:
    """The sidebar's chooser of stores; None where there is none. A folder may also be typed.

    Raises OutsideError for one that lies where the studio was not started.
    """
    st.session_state[STANDS_AT] = folder = _chosen_in_sidebar()
    return folder


def chosen_store() -> Path | None:
    """The store that the sidebar stands at, opened or not; None where there is none."""
    return st.session_state.get(STANDS_AT)


def _chosen_in_sidebar() -> Path | None:
    st.session_state[STANDS_AT] = None  # of what is typed and not allowed
    folders = allowed()
    named = find_stores(sys.argv[1:], os.environ, folders.here)
    is_told = len(folders.roots) > 1
    found = finished_first(named if is_told else list(dict.fromkeys([*named, *found_work().stores])))
    names = short_names(found, folders.here)
    if (wanted := st.session_state.pop(WANTED, None)) is not None:
        st.session_state[STORE_NAME] = names.get(wanted, folders.called(wanted))
    name = st.sidebar.selectbox(
        tr("Store"),
        list(names.values()),
        key=STORE_NAME,
        accept_new_options=True,
        placeholder=tr("a folder that a grid wrote"),
        help=tr("A folder that `python -m eval grid` wrote, finished ones first. Type a path to open another one."),
    )
    if not name:
        return None
    return next((folder for folder, known in names.items() if known == name), None) or folders.path(name)


def show_store(folder: Path) -> None:
    """Have the sidebar's chooser stand at `folder` from the next run on."""
    st.session_state[WANTED] = folder


def open_store_once(folder: Path) -> OpenedStore:
    """Open `folder` for the pages, again only when it has changed. Raises UserErrors as opening does."""
    with st.spinner(tr("Ranking the grid …")):
        opened = _open(folder, last_changed(folder))
    if st.session_state.get(STORE) != folder:
        st.session_state[STORE], st.session_state[CHOSEN] = folder, 0
    # Written anew in every run: Streamlit forgets a widget's value on pages that do not show it.
    st.session_state[CHOSEN] = min(st.session_state[CHOSEN], len(opened.rows) - 1)
    return opened


def opened_store() -> OpenedStore:
    """The store that is open; the entry opens it before a page runs."""
    folder: Path = st.session_state[STORE]
    return _open(folder, last_changed(folder))


def store_if_open() -> OpenedStore | None:
    """The store that the sidebar stands at, for pages that can do without; None where no page has opened it yet, or it
    is gone."""
    with suppress(UserError, OSError):
        folder = chosen_store()
        return opened_store() if folder is not None and st.session_state.get(STORE) == folder else None
    return None


def choose_row(label: str, rows: list[RankedCell]) -> RankedCell:
    """A chooser of rows that all pages share: what one page chose, the others show."""

    def described(place: int) -> str:
        row = rows[place]
        return tr(
            "{place}. {cell}, identity {identity}", place=row.place, cell=row.name, identity=f"{row.identity:.3f}"
        )

    place = st.selectbox(label, range(len(rows)), format_func=described, key=CHOSEN)
    return rows[place]


def chosen_row() -> RankedCell:
    """The row that the pages show."""
    place: int = st.session_state[CHOSEN]
    return opened_store().rows[place]


def set_chosen(place: int) -> None:
    """Let the other pages show the row at `place`."""
    st.session_state[CHOSEN] = place


@st.cache_resource(max_entries=4, show_spinner=False)
def _open(folder: Path, changed: tuple[int, int]) -> OpenedStore:
    """`changed` is part of the key only: a store that has grown is opened anew."""
    return open_for_pages(folder)
