"""The page to blend: LoRA files with a slider for each part and block, the error that a rank costs, and the file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from foundation.errors import UserError
from foundation.typed.untyped import untyped
from loras.blending.block_weights import PRESETS
from loras.blending.merge_methods import EXACT_SUM, method_names, methods_of_whole_deltas
from studio.jobs.asking import asked_job, begin, same_open_job
from studio.jobs.commands import GRID, SEARCH
from studio.jobs.kept_job import Job
from studio.languages.translation import tr, tr_many
from studio.previewing.preview_page import show_preview, wants_preview
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.notices import show_command
from studio.shared.session import allowed, chosen_store, found_work, store_if_open
from studio.shared.stores import RUNS, OpenedStore
from studio.weight_blending.found_loras import labels_of, loras_for, scored_alone
from studio.weight_blending.recipe import AS_IT_IS, EVERYWHERE, OWN, Moves, Part, Recipe, blocks_in
from studio.weight_blending.scoring_spec import OTHERS, TEXT, UNET, write_scoring_spec, write_search_spec
from studio.weight_blending.written_blend import (
    Blended,
    BlendingError,
    blends_in,
    expected_error,
    free_name,
    output_path,
    state_of,
    written,
)

MOVES, ROUND, WRITTEN = "blend's moves", "blend's round", "blend's file"
NAME, OFFERED = "blend's name", "blend's free name"
MOST_PARTS = 6
STRONGEST = 2.0
RANKS = [AS_IT_IS, "auto", "4", "8", "16", "32", "64", "128"]


def show() -> None:
    """Draw the page."""
    opened = store_if_open()
    st.title(tr("Blend"), anchor=False)
    st.markdown(tr("Several LoRA files as one, which does at weight 1 what they do together at these weights."))
    moves: Moves = st.session_state.setdefault(MOVES, Moves())
    st.session_state.setdefault(ROUND, 0)
    left, right = st.columns([3, 2], gap="large") if wants_preview(allowed().here) else (st.container(), None)
    with left:
        recipe = _ask_recipe(opened, moves.recipe)
        st.session_state[MOVES] = moves = moves.to(recipe)
        st.button(tr("Undo ({count})", count=len(moves.done) - 1), disabled=len(moves.done) < 2, on_click=_undo)
    if not recipe.parts:
        st.info(tr("Choose one file or more. Those of the open store's grid come first."))
        return
    if right is not None:
        with right:
            _show_preview(recipe)
    with left:
        _show_parents(opened, recipe)
        _show_error(recipe)
        _ask_file(recipe)


def _undo() -> None:
    moves: Moves = st.session_state[MOVES]
    st.session_state[MOVES] = moves.back()
    # Other keys: the sliders then begin at what the recipe says.
    st.session_state[ROUND] += 1


def _ask_recipe(opened: OpenedStore | None, known: Recipe) -> Recipe:
    turn = st.session_state[ROUND]
    found = loras_for(opened, found_work().loras, blends_in(_own_folder()))
    there = list(dict.fromkeys([*(part.path for part in known.parts), *found]))
    labels = labels_of(there, allowed())
    paths = st.multiselect(
        tr("LoRA files"),
        there,
        default=[part.path for part in known.parts],
        format_func=labels.__getitem__,
        max_selections=MOST_PARTS,
        placeholder=tr("Choose options"),
        key=f"files {turn}",
    )
    before = {part.path: part for part in known.parts}
    parts = tuple(_ask_part(before.get(path, Part(path)), labels[path], turn) for path in paths)
    left, middle, right = st.columns(3)
    methods = method_names()
    method = left.selectbox(tr("Method"), methods, methods.index(known.method), key=f"method {turn}")
    rank = middle.selectbox(
        tr("Rank"), RANKS, RANKS.index(known.rank), key=f"rank {turn}",
        format_func=lambda one: one or tr("exact (all ranks)"),
        help=tr("auto: the fewest that keep 99 % of the energy"),
    )  # fmt: skip
    dtypes = ["float16", "bfloat16", "float32"]
    dtype = right.selectbox(tr("Type"), dtypes, dtypes.index(known.dtype), key=f"dtype {turn}")
    return Recipe(parts, method, rank, dtype)


def _ask_part(part: Part, label: str, turn: int) -> Part:
    with st.container(border=True):
        st.markdown(f"**{escaped(label)}**")
        left, middle, right = st.columns(3)
        key = f"{part.path} {turn}"
        unet = left.slider(tr("UNet"), -1.0, STRONGEST, part.unet, 0.05, key=f"unet {key}")
        te = middle.slider(tr("TEnc"), -1.0, STRONGEST, part.te, 0.05, key=f"te {key}")
        try:
            blocks = blocks_in(part.path)
        except UserError as problem:
            st.warning(in_sentence(str(problem)))
            return Part(part.path, unet, te)
        offered = [EVERYWHERE, *(name for name in PRESETS if name not in (EVERYWHERE, "NONE")), OWN] if blocks else []
        if not offered:
            return Part(part.path, unet, te)
        at = offered.index(part.preset) if part.preset in offered else 0
        preset = right.selectbox(tr("Blocks"), offered, at, key=f"preset {key}", format_func=_preset_in_words)
        return Part(part.path, unet, te, preset, _ask_blocks(part, blocks, key) if preset == OWN else {})


def _preset_in_words(preset: str) -> str:
    return tr(preset) if preset == OWN else preset


def _ask_blocks(part: Part, blocks: list[str], key: str) -> dict[str, float]:
    """A slider a block, six beside each other."""
    places = st.columns(6)
    return {
        block: places[at % 6].slider(block, 0.0, STRONGEST, part.blocks.get(block, 1.0), 0.05, key=f"{block} {key}")
        for at, block in enumerate(blocks)
    }


def _show_parents(opened: OpenedStore | None, recipe: Recipe) -> None:
    for part, row in scored_alone(opened, recipe.parts):
        told = tr(
            "{file} alone: likeness {likeness} at its best weights, {weights} (row {place}).",
            file=part.path.stem,
            likeness=f"{row.identity:.3f}",
            weights=row.weights,
            place=row.place,
        )
        st.caption(escaped(told))


def _show_error(recipe: Recipe) -> None:
    if recipe.method in methods_of_whole_deltas() and not recipe.rank:
        st.info(tr("This method leaves deltas of full rank: choose a rank."))
        return
    if recipe.method == EXACT_SUM and not recipe.rank:
        st.caption(tr("The exact sum: nothing is lost but what the type rounds off."))
    if not st.button(tr("Work out what this costs"), help=tr("The file is made, read back, compared and thrown away.")):
        return
    try:
        with st.spinner(tr("Blending …")):
            found = expected_error(state_of(recipe), tuple(recipe.command(Path("blend.safetensors"))))
    except (BlendingError, OSError) as problem:
        st.warning(in_sentence(str(problem)))
        return
    _show_blended(found)


def _show_preview(recipe: Recipe) -> None:
    texts = tuple(part.text for part in recipe.parts)
    try:
        state = state_of(recipe)
    except OSError as problem:
        st.warning(in_sentence(str(problem)))
        return
    show_preview(allowed().here, found_work().grids, texts, (recipe.method, recipe.rank), state)


def _show_blended(found: Blended) -> None:
    low, high = found.ranks
    rank = str(low) if low == high else tr("{low} to {high}", low=low, high=high)
    st.markdown(
        tr_many(
            "The file changes {count} module of the model, by a LoRA of rank {rank}.",
            "The file changes {count} modules of the model, each by a LoRA of rank {rank}.",
            found.modules,
            rank=rank,
        )
    )
    if found.is_exact:
        st.markdown(tr("The blend is exact: nothing is lost but what the type rounds off."))
        return
    st.markdown(
        tr(
            "**{error} %** of what the files do together is lost, by the rank and by what the type rounds off.",
            error=f"{100 * found.error:.2f}",
        )
    )
    worst = max(found.blocks, key=found.blocks.__getitem__, default="")
    untyped(st).bar_chart(
        {"block": list(found.blocks), "error": [100 * one for one in found.blocks.values()]},
        x="block",
        y="error",
        x_label=tr("block"),
        y_label=tr("error, %"),
        sort=False,
        height=200,
        alt=tr(
            "How far each block is from the exact sum: the most is {error} %, in {block}.",
            error=f"{100 * found.blocks.get(worst, 0.0):.2f}",
            block=worst,
        ),
    )


def _ask_file(recipe: Recipe) -> None:
    folder = _own_folder()
    name = _ask_name(folder, recipe)
    try:
        path = output_path(folder, name)
        with st.expander(tr("The same in a terminal")):
            show_command(shlex.join(["python", *recipe.command(path)[1:]]))
        if st.button(tr("Write the file"), type="primary", disabled=not _may_be_written(path, recipe)):
            with st.spinner(tr("Blending …")):
                st.session_state[WRITTEN] = recipe, written(recipe, path)
        if (made := _written_of(recipe)) is not None:
            file = allowed().called(made.path)
            st.success(tr("Written to {file}; sha256 {hash}", file=escaped(file), hash=made.sha256[:12]))
            _show_blended(made)
        _ask_search(path.stem, recipe)
    except (UserError, OSError) as problem:
        st.warning(in_sentence(str(problem)))
        return
    if made is not None:
        _ask_scores(made.path, recipe)


def _own_folder() -> Path:
    """Where blends go: to the store that the sidebar stands at, else to runs/."""
    return chosen_store() or allowed().here / RUNS


def _ask_name(folder: Path, recipe: Recipe) -> str:
    """A name that is free until another one is typed: of another recipe than what was written, too."""
    made, known = _written_of(recipe), st.session_state.get(NAME)
    if known is None or (known == st.session_state.get(OFFERED) and made is None):
        st.session_state[NAME] = st.session_state[OFFERED] = made.path.stem if made else free_name(folder)
    return st.text_input(tr("Name of the file"), key=NAME)


def _may_be_written(path: Path, recipe: Recipe) -> bool:
    """Whether nothing but the blend on show would be replaced, or that is wanted. Says where the file goes."""
    file = escaped(allowed().called(path))
    made = _written_of(recipe)
    if not path.exists() or (made is not None and made.path == path):
        st.caption(tr("It goes to {file}.", file=file))
        return True
    return st.checkbox(tr("Replace {file}, which is there already", file=file), key=f"replace {path}")


def _written_of(recipe: Recipe) -> Blended | None:
    """What was written last, where it is of this recipe and still there."""
    of, made = st.session_state.get(WRITTEN, (None, None))
    return made if of == recipe and made is not None and made.path.exists() else None


def _ask_search(name: str, recipe: Recipe) -> None:
    """A search over weights of these files, as a job, in place of trying them by hand."""
    grids, folders = found_work().grids, allowed()
    if not grids:
        return
    with st.expander(tr("Find the best weights")):
        st.markdown(
            tr(
                "Tries the first file at UNet {unet} and TEnc {te}, alone and with each other file at {others}, with a "
                "part of the pictures that a grid of all would take, and confirms the best on fresh seeds. Blocks "
                "and methods stay out of it.",
                unet=_listed(UNET), te=_listed(TEXT), others=_listed(OTHERS),
            )
        )  # fmt: skip
        spec = st.selectbox(tr("Prompts and models as in"), grids, format_func=folders.called, key="search as in")
        if st.button(tr("Search")):
            asked = write_search_spec(spec, name, [part.path for part in recipe.parts])
            _begin(asked_job(SEARCH, {"spec": folders.called(asked)}, folders))


def _listed(weights: Sequence[float]) -> str:
    return ", ".join(f"{one:g}" for one in weights)


def _begin(job: Job) -> None:
    here = allowed().here
    if same_open_job(here, job) is None:
        begin(here, job)
    st.success(tr("It is in the queue: the page Jobs shows how far it is, and the page Ranking what comes of it."))


def _ask_scores(file: Path, recipe: Recipe) -> None:
    """The full protocol, as a job: the file beside those that it was made of, each at weight 1."""
    grids, folders = found_work().grids, allowed()
    if not grids:
        return
    st.markdown(
        tr("How good is {file}? A grid of it and of the files that it was made of says so.", file=escaped(file.name))
    )
    left, right = st.columns(2, vertical_alignment="bottom")
    spec = left.selectbox(tr("Prompts and models as in"), grids, format_func=folders.called)
    if not right.button(tr("Draw and score it")):
        return
    try:
        asked = write_scoring_spec(spec, file, [part.path for part in recipe.parts])
        _begin(asked_job(GRID, {"spec": folders.called(asked)}, folders))
    except (UserError, OSError) as problem:
        st.warning(in_sentence(str(problem)), icon=":material/error:")


show()
