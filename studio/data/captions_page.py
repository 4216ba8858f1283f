"""The part of the page Data where captions are edited."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from foundation.errors import UserError
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
from studio.languages.translation import tr, tr_many
from studio.shared.markdown_text import escaped, in_sentence

VERSION, SAID = "version of captions", "said of captions"
MOST_SHOWN = 8  # captions that finding and replacing would change, as an example


def show_captions(folders: Sequence[Path]) -> None:
    """The table with its filters. Raises UserErrors of captions that cannot be read."""
    rows = caption_rows(folders)
    if said := st.session_state.pop(SAID, None):
        st.success(escaped(said))
    shown = _filtered(rows)
    st.caption(tr_many("{shown} of {count} picture", "{shown} of {count} pictures", len(rows), shown=len(shown)))
    _show_replacing(shown)
    _show_table(shown)
    _show_undo(folders)


def _filtered(rows: Sequence[CaptionRow]) -> list[CaptionRow]:
    tags = tags_of(rows)

    def counted(tag: str) -> str:
        return f"{tag} ({tags[tag]})"

    left, middle, right = st.columns(3)
    having = left.multiselect(tr("Captions that say"), list(tags), format_func=counted, placeholder=tr("any tag"))
    lacking = middle.multiselect(tr("and do not say"), list(tags), format_func=counted, placeholder=tr("no tag"))
    text = right.text_input(tr("and have the text"), key="text of captions")
    return filtered(rows, having, lacking, text)


def _show_replacing(rows: Sequence[CaptionRow]) -> None:
    with st.expander(tr("Find and replace in these")):
        left, right = st.columns(2)
        find = left.text_input(tr("Find"), key="find")
        by = right.text_input(tr("Replace by"), key="replace by", help=tr("empty: take it out"))
        regex = st.checkbox(tr("It is a regular expression"), key="regex")
        if not find:
            return
        try:
            changes = replaced(rows, find, by, regex=regex)
        except UserError as problem:
            st.warning(in_sentence(str(problem).replace("--replace: ", "")), icon=":material/error:")
            return
        for one in changes[:MOST_SHOWN]:
            st.caption(f"{escaped(one.file.stem)}: {escaped(one.caption)}")
        label = tr_many("Replace in {count} caption", "Replace in {count} captions", len(changes))
        if st.button(label, disabled=not changes) and _done(lambda: save_replaced(rows, changes)):
            st.rerun()


def _show_table(rows: Sequence[CaptionRow]) -> None:
    pages = max(1, -(-len(rows) // PAGE))
    page = int(st.number_input(tr("Page"), 1, pages, 1, help=tr("of {count}", count=pages))) - 1 if pages > 1 else 0
    here = rows[page * PAGE : (page + 1) * PAGE]
    edited: Any = untyped(st).data_editor(
        caption_frame(here),
        key=f"captions {st.session_state.get(VERSION, 0)} {page} {hash(tuple(row.captioned.file for row in here))}",
        hide_index=True,
        disabled=[PICTURE, NAME],
        alt=tr("Pictures with their captions."),
        row_height=72,
        height=560 if len(here) > 6 else "content",
        column_config={
            PICTURE: st.column_config.ImageColumn("", width="small"),
            NAME: st.column_config.TextColumn(tr("file"), width="small"),
            CAPTION: st.column_config.TextColumn(tr("caption"), width="large"),
        },
    )
    try:
        changed = edits(here, list(edited[CAPTION]))
    except UserError as problem:
        st.warning(in_sentence(str(problem)), icon=":material/error:")
        return
    label = tr_many("Save {count} caption", "Save {count} captions", len(changed)) if changed else tr("Nothing to save")
    if st.button(label, type="primary", disabled=not changed) and _done(lambda: save(here, changed)):
        st.rerun()


def _show_undo(folders: Sequence[Path]) -> None:
    for folder in can_undo(folders):
        if st.button(tr("Put the last change in {folder} back", folder=escaped(folder.name)), key=f"undo {folder}"):
            undone = take_back(folder)
            words = tr_many("{count} caption as before", "{count} captions as before", len(undone.restored))
            if since := len(undone.changed_since):
                words = tr_many(
                    "{captions}; {count} was changed since and stays",
                    "{captions}; {count} were changed since and stay",
                    since,
                    captions=words,
                )
            st.session_state[SAID] = words
            st.session_state[VERSION] = st.session_state.get(VERSION, 0) + 1
            st.rerun()


def _done(write: Any) -> bool:
    """Whether captions were written; the next run says how many."""
    try:
        count = write()
    except (UserError, OSError) as problem:
        st.warning(in_sentence(str(problem)), icon=":material/error:")
        return False
    st.session_state[SAID] = tr_many(
        "{count} caption written; the change can be put back below",
        "{count} captions written; the change can be put back below",
        count,
    )
    st.session_state[VERSION] = st.session_state.get(VERSION, 0) + 1
    return True
