"""Parts of pages that begin jobs: cards of what runs, and the form of a command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from foundation.errors import UserError
from studio.jobs.asking import asked_job, begin, same_open_job
from studio.jobs.commands import GRID_TOML, STORE, TRAIN_TOML, Command, Field
from studio.jobs.devices import Device, devices_here
from studio.jobs.job_queue import kill, open_jobs, queue_of, stop
from studio.jobs.job_state import state_of
from studio.jobs.job_words import JobCard, card_of, log_of
from studio.jobs.kept_job import title_in_words
from studio.languages.translation import tr
from studio.shared.allowed_folders import AllowedFolders
from studio.shared.found_work import FoundWork
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.notices import REFRESH, show_command
from studio.shared.session import allowed, found_work, in_chosen_language

OPEN = "open jobs"
LOG_HEIGHT = 320


def show_open(here: Path) -> None:
    """What waits and runs, looked at again every two seconds; the whole page is drawn anew when one is over."""
    st.session_state[OPEN] = [one.job.id for one in open_jobs(queue_of(here))]
    _show_cards(here)


@st.fragment(run_every=REFRESH)
@in_chosen_language
def show_one_open(here: Path, job_id: str) -> None:
    """The card of a job that waits or runs; the whole page is drawn anew when it is over."""
    job = next((one for one in open_jobs(queue_of(here)) if one.job.id == job_id), None)
    if job is None:
        st.rerun()
    _show_card(card_of(job), queue_of(here))


@st.fragment(run_every=REFRESH)
@in_chosen_language
def _show_cards(here: Path) -> None:
    jobs = open_jobs(queue_of(here))
    if [one.job.id for one in jobs] != st.session_state.get(OPEN):
        st.rerun()
    if not jobs:
        st.write(tr("Nothing runs."))
    for one in jobs:
        _show_card(card_of(one), queue_of(here))


def _show_card(card: JobCard, queue: Path) -> None:
    job = card.files.job
    with st.container(border=True):
        words, button = st.columns([5, 1], vertical_alignment="center")
        words.markdown(f"**{escaped(title_in_words(job))}**  \n{escaped(card.words)}")
        with button:
            if card.may_be_killed:
                act(tr("Stop at once"), f"kill {job.id}", lambda: kill(queue, job.id))
            else:
                label = tr("Take out") if card.state.name == "waiting" else tr("Stop")
                act(label, f"stop {job.id}", lambda: stop(queue, job.id), is_off=card.state.name == "stopping")
        if card.share is not None:
            st.progress(card.share)
        with st.expander(tr("Command and log")):
            show_command(job.command)
            st.code(log_of(card.files) or tr("it has said nothing yet"), language=None, height=LOG_HEIGHT)


def act(label: str, key: str, do: Callable[[], object], is_off: bool = False) -> None:
    """A button that does something to a job; what keeps it from that is said."""
    if st.button(label, key=key, disabled=is_off, width="stretch"):
        try:
            do()
        except UserError as problem:
            st.warning(in_sentence(str(problem)))
            return
        st.rerun()


def show_command_form(command: Command, folders: AllowedFolders) -> None:
    """A form of what a command is asked. What was begun, or only shown, stands below it."""
    with st.form(f"form {command.verb}"):
        answers = {one.name: _ask(command, one) for one in command.fields if not one.is_more}
        if more := [one for one in command.fields if one.is_more]:
            with st.expander(tr("More")):
                answers |= {one.name: _ask(command, one) for one in more}
        device = _ask_device(command)
        with st.container(horizontal=True):
            begins = st.form_submit_button(tr("Begin"), type="primary")
            shows = st.form_submit_button(tr("Only show the command"))
    if not (begins or shows):
        return
    try:
        job = asked_job(command, answers, folders, device)
        if begins and (there := same_open_job(folders.here, job)):
            st.warning(tr("The same command {state} already.", state=state_of(there).words))
        elif begins:
            begin(folders.here, job)
            st.rerun()
        show_command(job.command)
    except UserError as problem:
        st.warning(in_sentence(str(problem)), icon=":material/error:")


def _ask(command: Command, field: Field) -> object:
    key = f"ask {command.verb} {field.name}"
    label = tr("{label} (needed)", label=tr(field.label)) if field.is_needed else tr(field.label)
    if field.kind == "flag":
        return st.checkbox(label, key=key)
    if field.kind == "choice":
        return st.selectbox(label, field.choices, index=None, key=key, placeholder=tr("as it is found"))
    if field.offers:
        offers = _offered(field.offers, found_work(), allowed())
        return st.selectbox(
            label, offers, key=key, accept_new_options=True, index=0 if offers else None,
            placeholder=tr(field.about), help=tr("{about}; type another path", about=tr(field.about)),
        )  # fmt: skip
    return st.text_input(label, key=key, placeholder=tr(field.about))


def _offered(what: str, found: FoundWork, folders: AllowedFolders) -> list[str]:
    places = {TRAIN_TOML: found.trains, GRID_TOML: found.grids, STORE: found.stores}[what]
    return [folders.called(one) for one in places]


def _ask_device(command: Command) -> Device | None:
    devices = devices_here()
    if command.is_light or len(devices) == 1:
        return None
    return st.selectbox(tr("On"), devices, format_func=lambda one: one.words, key=f"device {command.verb}")
