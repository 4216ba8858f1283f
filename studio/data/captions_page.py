"""The part of the page Data where captions are edited."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from foundation.errors import UserError
from foundation.printing import how_many
from foundation.typed.untyped import untyped
from studio.data.caption_table import (
    CAPTION,
    NAME,
    PAGE,
    PICTURE,
    CaptionRow,
    can_undo,
    caption_frame,
    caption_rows,
    edits,
    filtered,
    replaced,
    save,
    save_replaced,
    tags_of,
    take_back,
)
from studio.shared.markdown_text import escaped, in_sentence

VERSION, SAID = "version of captions", "said of captions"
MOST_SHOWN = 8  # captions that finding and replacing would change, as an example


def show_captions(folders: Sequence[Path]) -> None:
    """The table with its filters. Raises UserErrors of captions that cannot be read."""
    rows = caption_rows(folders)
    if said := st.session_state.pop(SAID, None):
        st.success(escaped(said))
    shown = _filtered(rows)
    st.caption(f"{len(shown)} of {how_many(len(rows), 'picture')}")
    _show_replacing(shown)
    _show_table(shown)
    _show_undo(folders)


def _filtered(rows: Sequence[CaptionRow]) -> list[CaptionRow]:
    tags = tags_of(rows)

    def counted(tag: str) -> str:
        return f"{tag} ({tags[tag]})"

    left, middle, right = st.columns(3)
    having = left.multiselect("Captions that say", list(tags), format_func=counted, placeholder="any tag")
    lacking = middle.multiselect("and do not say", list(tags), format_func=counted, placeholder="no tag")
    text = right.text_input("and have the text", key="text of captions")
    return filtered(rows, having, lacking, text)


def _show_replacing(rows: Sequence[CaptionRow]) -> None:
    with st.expander("Find and replace in these"):
        left, right = st.columns(2)
        find = left.text_input("Find", key="find")
        by = right.text_input("Replace by", key="replace by", help="empty: take it out")
        regex = st.checkbox("It is a regular expression", key="regex")
        if not find:
            return
        try:
            changes = replaced(rows, find, by, regex=regex)
        except UserError as problem:
            st.warning(in_sentence(str(problem).replace("--replace: ", "")), icon=":material/error:")
            return
        for one in changes[:MOST_SHOWN]:
            st.caption(f"{escaped(one.file.stem)}: {escaped(one.caption)}")
        label = f"Replace in {how_many(len(changes), 'caption')}"
        if st.button(label, disabled=not changes) and _done(lambda: save_replaced(rows, changes)):
            st.rerun()


def _show_table(rows: Sequence[CaptionRow]) -> None:
    pages = max(1, -(-len(rows) // PAGE))
    page = int(st.number_input("Page", 1, pages, 1, help=f"of {pages}")) - 1 if pages > 1 else 0
    here = rows[page * PAGE : (page + 1) * PAGE]
    edited: Any = untyped(st).data_editor(
        caption_frame(here),
        key=f"captions {st.session_state.get(VERSION, 0)} {page} {hash(tuple(row.captioned.file for row in here))}",
        hide_index=True,
        disabled=[PICTURE, NAME],
        row_height=72,
        height=560 if len(here) > 6 else "content",
        column_config={
            PICTURE: st.column_config.ImageColumn("", width="small"),
            NAME: st.column_config.TextColumn(width="small"),
            CAPTION: st.column_config.TextColumn(width="large"),
        },
    )
    try:
        changed = edits(here, list(edited[CAPTION]))
    except UserError as problem:
        st.warning(in_sentence(str(problem)), icon=":material/error:")
        return
    label = f"Save {how_many(len(changed), 'caption')}" if changed else "Nothing to save"
    if st.button(label, type="primary", disabled=not changed) and _done(lambda: save(here, changed)):
        st.rerun()


def _show_undo(folders: Sequence[Path]) -> None:
    for folder in can_undo(folders):
        if st.button(f"Put the last change in {escaped(folder.name)} back", key=f"undo {folder}"):
            undone = take_back(folder)
            since = f"; {len(undone.changed_since)} were changed since and stay" if undone.changed_since else ""
            st.session_state[SAID] = f"{how_many(len(undone.restored), 'caption')} as before{since}"
            st.session_state[VERSION] = st.session_state.get(VERSION, 0) + 1
            st.rerun()


def _done(write: Any) -> bool:
    """Whether captions were written; the next run says how many."""
    try:
        count = write()
    except (UserError, OSError) as problem:
        st.warning(in_sentence(str(problem)), icon=":material/error:")
        return False
    st.session_state[SAID] = f"{how_many(count, 'caption')} written; the change can be put back below"
    st.session_state[VERSION] = st.session_state.get(VERSION, 0) + 1
    return True
