"""The part of a page that draws a blend while it is put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from eval.request.prompts import Prompt, read_prompts
from eval.request.spec import read_spec
from foundation.errors import UserError
from studio.jobs.devices import devices_here
from studio.jobs.locks import device_lock, taken
from studio.languages.translation import tr, tr_many
from studio.previewing.drawing_process import is_there, place_of, see_to_it
from studio.previewing.wanted_pictures import Preview, WantedPicture, ask, ask_in_turn, forget_failures, preview_of
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.session import in_chosen_language

FEWEST, USUAL, MOST = 4, 8, 50  # steps
LOOK_EVERY = 0.5  # seconds


def wants_preview(here: Path) -> bool:
    """Ask whether the blend is to be drawn; where it is not, nothing is drawn any more."""
    wants = st.toggle(
        tr("Preview"), help=tr("Draws the blend as you move it, in a process of its own that keeps the model.")
    )
    if not wants and is_there(place_of(here)):
        ask(place_of(here), ())
    return wants


def show_preview(here: Path, grids: Sequence[Path], parts: tuple[str, ...], how: tuple[str, str], state: str) -> None:
    """Ask for what to draw, and show it above the base model's own picture of the same seed.

    `grids`: specifications whose base model and settings may be taken. `how`: the blend's method and rank; `state`
    tells whether its files are still what they were.
    """
    if not grids:
        st.info(tr("A preview takes the base model and the prompts of a `grid.toml`; there is none below this folder."))
        return
    try:
        wanted = _ask(grids, parts, how, state)
    except UserError as problem:
        st.warning(in_sentence(str(problem)), icon=":material/error:")
        return
    place = place_of(here)
    ask(place, wanted)
    _show(place, wanted)


def _ask(grids: Sequence[Path], parts: tuple[str, ...], how: tuple[str, str], state: str) -> list[WantedPicture]:
    """The blend's picture and the base model's. Raises what reading a specification raises."""
    spec = st.selectbox(tr("Drawn as in"), grids, format_func=lambda path: str(Path(path.parent.name) / path.name))
    prompts = read_prompts(read_spec(spec).prompts).prompts
    prompt: Prompt = st.selectbox(tr("Prompt"), prompts, format_func=lambda one: one.text)
    left, right = st.columns(2)
    steps = left.slider(tr("Steps"), FEWEST, MOST, USUAL, help=tr("Few are fast and rough; a grid has 30."))
    seed = right.number_input(tr("Seed"), 0, 2**32 - 1, 1)
    facts = spec.stat()
    known = f"{facts.st_mtime_ns} {facts.st_size}"
    return [
        WantedPicture(
            spec=str(spec), prompt=prompt.text, seed=seed, steps=steps, parts=parts, method=how[0], rank=how[1],
            state=f"{known} {state}",
        ),
        WantedPicture(spec=str(spec), prompt=prompt.class_text, seed=seed, steps=steps, state=known),
    ]  # fmt: skip


def _show(place: Path, wanted: Sequence[WantedPicture]) -> None:
    """The pictures, looked for again until all are there."""
    if all(preview_of(place, one).is_over for one in wanted):
        _show_pictures(place, wanted)
    else:
        _show_until_over(place, wanted)


@st.fragment(run_every=LOOK_EVERY)
@in_chosen_language
def _show_until_over(place: Path, wanted: Sequence[WantedPicture]) -> None:
    if all(preview_of(place, one).is_over for one in wanted):
        st.rerun()
    ask_in_turn(place, wanted)
    see_to_it(place)
    _show_pictures(place, wanted)


def _show_pictures(place: Path, wanted: Sequence[WantedPicture]) -> None:
    previews = [preview_of(place, one) for one in wanted]
    works = any(one.in_hand and not one.is_over for one in previews)
    titles = tr("This blend"), tr("The base model alone")
    for title, one, preview in zip(titles, wanted, previews, strict=True):
        _show_one(place, title, one, preview, works)
    st.caption(
        tr_many(
            "A draft of {count} step of one prompt and one seed: enough to see what a slider does, not to choose by. A "
            "grid of the written file says how good it is.",
            "A draft of {count} steps of one prompt and one seed: enough to see what a slider does, not to choose "
            "by. A grid of the written file says how good it is.",
            wanted[0].steps,
        )
    )


def _show_one(place: Path, title: str, wanted: WantedPicture, preview: Preview, works: bool) -> None:
    """`works`: whether one of the two is being drawn."""
    if preview.picture is not None:
        told = tr("{title}: {prompt}", title=title, prompt=wanted.prompt)
        st.image(str(preview.picture), told, width="stretch", alt=told)
    elif preview.failure:
        st.warning(in_sentence(preview.failure), icon=":material/error:")
        st.button(tr("Try again"), key=f"again {title}", on_click=lambda: forget_failures(place))
    elif preview.done:
        words = tr("{title}: step {done} of {total}", title=title, done=preview.done, total=wanted.steps)
        st.progress(preview.done / wanted.steps, words)
    elif preview.in_hand:
        st.caption(tr("{title}: loading the base model, blending the files …", title=escaped(title)))
    elif not works and _is_busy():
        device = devices_here()[0].words
        st.caption(tr("{title}: waits for what has {device} (page Jobs).", title=escaped(title), device=device))
    else:
        st.caption(tr("{title}: comes next …", title=escaped(title)))


def _is_busy() -> bool:
    """Whether a job has the device. The process that draws holds its lock only while it draws."""
    lock = taken(device_lock(devices_here()[0].name))
    if lock is not None:
        lock.release()
    return lock is None
