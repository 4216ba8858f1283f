"""The page to export: a cell as one LoRA file, how it is written, the check of it, and how to use it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from eval.exporting.exported import Exported
from eval.ranking.ranked_cell import RankedCell
from eval.request.cells import Cell
from foundation.errors import UserError
from foundation.typed.untyped import untyped
from loras.converting.targets import TARGETS
from studio.exporting.drawn_check_page import show_drawn_check
from studio.exporting.export_file import (
    BYTES,
    EXPORTS,
    AskedForm,
    cautions,
    contents_of,
    export_path,
    size_in_words,
    suggested_name,
    usage_by_tool,
    write_export,
)
from studio.languages.translation import tr
from studio.shared.figure_tile import Tile
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.notices import show_tiles
from studio.shared.session import allowed, choose_row, opened_store
from studio.shared.stores import OpenedStore
from studio.shared.tables import table_of

WRITTEN = "written"
RANKS = ["", "auto", "4", "8", "16", "32", "64", "128"]
# The first of all targets is what is written anyway.
SPELLINGS = ["", *list(TARGETS)[1:]]


def show() -> None:
    """Draw the page."""
    opened = opened_store()
    st.title(tr("Export"), anchor=False)
    st.markdown(tr("One file that does at weight 1 what the cell did. The tensors written are those that were scored."))
    row = choose_row(tr("Cell"), opened.rows)
    for caution in cautions(opened, row):
        st.warning(in_sentence(caution), icon=":material/info:")
    _show_contents(opened.cell(row))
    name, folder = _ask_place(opened, row)
    form = _ask_form()
    try:
        path = export_path(folder, name)
        made = _written_of(row)
        if path.exists() and (made is None or made.path != path):
            st.caption(tr("{file} exists and will be replaced.", file=escaped(str(path))))
        if st.button(tr("Write the file"), type="primary", icon=":material/save:"):
            with st.spinner(tr("Writing, and reading back …")):
                st.session_state[WRITTEN] = (row, write_export(opened, row, path, form))
    except (UserError, OSError) as problem:
        st.warning(in_sentence(str(problem)), icon=":material/error:")
        return
    _show_written(opened, row)


def _ask_place(opened: OpenedStore, row: RankedCell) -> tuple[str, Path]:
    """The file's name, and its folder. Raises OutsideError for one that lies where the studio was not started."""
    left, right = st.columns(2)
    name = left.text_input(tr("Name of the file"), suggested_name(row), key=f"name {row.cell} {row.checkpoint}")
    own = allowed().called(opened.folder / EXPORTS)
    folder = right.text_input(
        tr("Folder"),
        own,
        key=f"folder of {opened.folder}",
        help=tr("Below the folders that the studio was started with."),
    )
    return name, allowed().path(folder or own)


def _ask_form() -> AskedForm:
    """What differs from the file as it was scored; nothing at first."""
    with st.expander(tr("Rank, type, spelling, words in the header")):
        left, middle, right = st.columns(3)
        rank = left.selectbox(
            tr("Rank"), RANKS, format_func=lambda one: one or tr("all ranks, as scored"),
            help=tr("auto: the fewest that keep 99 % of the energy"),
        )  # fmt: skip
        dtype = middle.selectbox(tr("Type"), ["", *BYTES], format_func=lambda one: one or tr("as scored"))
        tool = right.selectbox(
            tr("Spelling"), SPELLINGS, format_func=lambda one: one or tr("kohya: A1111, ComfyUI and diffusers read it"),
            help=tr("For a tool that reads none but its own."),
        )  # fmt: skip
        author = st.text_input(tr("Author"), max_chars=200, help=tr("Managers of LoRAs show it, and the description."))
        description = st.text_area(tr("Description"), max_chars=4000, height=80)
    form = AskedForm(rank, dtype, tool, author, description)
    if not form.is_as_scored:
        st.caption(tr("Another rank or type is no longer what was scored: how far from it is said once it is written."))
    return form


def _show_contents(cell: Cell) -> None:
    contents = contents_of(cell)
    untyped(st).dataframe(
        table_of(
            {
                tr("LoRA"): [use.checkpoint.name for use in cell.uses],
                tr("epoch"): [use.checkpoint.epoch for use in cell.uses],
                tr("weights"): [str(use.weights) for use in cell.uses],
                "sha256": [use.checkpoint.sha256[:12] for use in cell.uses],
                tr("file"): [allowed().called(use.checkpoint.path) for use in cell.uses],
            }
        ),
        hide_index=True,
        alt=tr("The LoRA files that go into it, with their weights."),
    )
    figures = {
        tr("Type"): contents.dtype,
        tr("Rank"): str(contents.rank),
        tr("Modules"): str(contents.modules),
        tr("Size, about"): size_in_words(contents.size),
    }
    show_tiles([Tile(name, figure) for name, figure in figures.items()])


def _written_of(row: RankedCell) -> Exported | None:
    """What was written last, where it is of this row and still there."""
    shown: tuple[RankedCell, Exported] | None = st.session_state.get(WRITTEN)
    return shown[1] if shown is not None and shown[0] == row and shown[1].path.is_file() else None


def _show_written(opened: OpenedStore, row: RankedCell) -> None:
    exported = _written_of(row)
    if exported is None:
        return
    st.success(
        tr("{cell} is written to {file}", cell=escaped(row.name), file=escaped(str(exported.path))),
        icon=":material/check:",
    )
    _show_check(exported)
    show_drawn_check(opened, row, exported)
    left, right = st.columns([1, 3])
    told = tr("a picture that {cell} drew", cell=row.name)
    left.image(exported.preview, caption=tr("the preview beside it"), width="stretch", alt=told)
    with right:
        _show_downloads(exported)
        _show_uses(opened, row, exported)


def _show_check(exported: Exported) -> None:
    """What reading it back said."""
    if exported.error:
        said = tr(
            "Read back from the disk: its deltas are **{error} %** of their size away from those that were scored "
            "(rank {rank}, {dtype}). Draw it anew before you go by its scores.",
            error=f"{100 * exported.error:.2g}", rank=exported.rank, dtype=exported.dtype,
        )  # fmt: skip
    else:
        said = tr(
            "Read back from the disk: it holds the tensors that were scored (rank {rank}, {dtype}).",
            rank=exported.rank, dtype=exported.dtype,
        )  # fmt: skip
    st.markdown(said)


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
