"""The third page: a cell as one LoRA file, what is in it, and how to use it."""

from __future__ import annotations

import streamlit as st

from eval.exporting.exported import Exported
from eval.ranking.ranked_cell import RankedCell
from eval.request.cells import Cell
from foundation.typed.untyped import untyped
from studio.exporting.export_file import (
    contents_of,
    export_path,
    size_in_words,
    suggested_name,
    usage_by_tool,
    write_export,
)
from studio.languages.translation import tr
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.session import choose_row, opened_store
from studio.shared.stores import OpenedStore

WRITTEN = "written"


def show() -> None:
    """Draw the page."""
    opened = opened_store()
    st.title(tr("Export"), anchor=False)
    st.markdown(tr("One file that does at weight 1 what the cell did. The tensors written are those that were scored."))
    row = choose_row(tr("Cell"), opened.rows)
    for reason in row.broken:
        st.warning(in_sentence(reason), icon=":material/info:")
    _show_contents(opened.cell(row))
    name = st.text_input(tr("Name of the file"), suggested_name(row), key=f"name {row.cell} {row.checkpoint}")
    path = export_path(opened, name)
    if path.exists():
        st.caption(tr("{file} exists and will be replaced.", file=escaped(str(path))))
    if st.button(tr("Write the file"), type="primary", icon=":material/save:"):
        st.session_state[WRITTEN] = (row, write_export(opened, row, path))
    _show_written(opened, row)


def _show_contents(cell: Cell) -> None:
    contents = contents_of(cell)
    untyped(st).dataframe(
        [
            {
                tr("LoRA"): use.checkpoint.name,
                tr("epoch"): use.checkpoint.epoch,
                tr("weights"): str(use.weights),
                "sha256": use.checkpoint.sha256[:12],
                tr("file"): str(use.checkpoint.path),
            }
            for use in cell.uses
        ],
        hide_index=True,
        alt=tr("The LoRA files that go into it, with their weights."),
    )
    tiles = st.columns(4)
    tiles[0].metric(tr("Type"), contents.dtype)
    tiles[1].metric(tr("Rank"), contents.rank)
    tiles[2].metric(tr("Modules"), contents.modules)
    tiles[3].metric(tr("Size, about"), size_in_words(contents.size))


def _show_written(opened: OpenedStore, row: RankedCell) -> None:
    shown: tuple[RankedCell, Exported] | None = st.session_state.get(WRITTEN)
    if shown is None or shown[0] != row or not shown[1].path.is_file():
        return
    exported = shown[1]
    st.success(
        tr("{cell} is written to {file}", cell=escaped(row.name), file=escaped(str(exported.path))),
        icon=":material/check:",
    )
    left, right = st.columns([1, 3])
    told = tr("a picture that {cell} drew", cell=row.name)
    left.image(exported.preview, caption=tr("the preview beside it"), width="stretch", alt=told)
    with right:
        _show_downloads(exported)
        _show_uses(opened, row, exported)


def _show_downloads(exported: Exported) -> None:
    path, preview = exported.path, exported.preview
    st.markdown("sha256")
    st.code(exported.sha256, language=None)
    with st.container(horizontal=True):
        st.download_button(
            tr("Download the LoRA"),
            path.read_bytes,
            path.name,
            "application/octet-stream",
            on_click="ignore",
            type="primary",
        )
        st.download_button(tr("Download the preview"), preview.read_bytes, preview.name, "image/png", on_click="ignore")


def _show_uses(opened: OpenedStore, row: RankedCell, exported: Exported) -> None:
    base_name = opened.ranked.grid.beside(opened.cell(row)).base_name
    st.markdown(tr("**Use it at weight 1**, with the base model it was scored on ({base}):", base=escaped(base_name)))
    uses = usage_by_tool(opened, row, exported.path.stem)
    for tab, (where, what) in zip(st.tabs(list(uses)), uses.values(), strict=True):
        tab.markdown(where)
        tab.code(what, language=None)


show()
