"""The page of jobs: what runs and waits, how far it is, what became of the others, and a form to begin with one."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from foundation.typed.untyped import untyped
from studio.jobs.commands import COMMANDS, TRAIN
from studio.jobs.devices import said
from studio.jobs.job_parts_page import LOG_HEIGHT, act, show_command_form, show_open
from studio.jobs.job_queue import again, forget, queue_of, see_to, standing_still
from studio.jobs.job_state import state_of
from studio.jobs.job_words import answer_of, latest_over, log_of, over_table
from studio.jobs.kept_job import JobFiles, jobs_in, title_in_words
from studio.languages.translation import tr
from studio.shared.allowed_folders import AllowedFolders
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.notices import show_command
from studio.shared.session import allowed

ASKED_FOR = "what to do"


def show() -> None:
    """Draw the page."""
    st.title(tr("Jobs"), anchor=False)
    here = allowed().here
    _say_what_stands_still(queue_of(here))
    show_open(here)
    _show_form(allowed())
    _show_over(here)


def _say_what_stands_still(queue: Path) -> None:
    for device in standing_still(queue):
        st.warning(
            tr(
                "Jobs wait ({device}), and nobody begins them: the machine was restarted, or the queue's own process "
                "was ended.",
                device=escaped(said(device)),
            )
        )
        if st.button(tr("Go on with the queue"), key=f"see to {device}"):
            see_to(queue, device)
            st.rerun()


def _show_form(folders: AllowedFolders) -> None:
    st.header(tr("Begin with another"), anchor=False)
    title = st.selectbox(
        tr("What to do"), list(COMMANDS), key=ASKED_FOR, index=list(COMMANDS).index(TRAIN.title), format_func=tr
    )
    command = COMMANDS[title]
    st.caption(in_sentence(tr(command.about)))
    show_command_form(command, folders)


def _show_over(here: Path) -> None:
    over = latest_over(jobs_in(queue_of(here)))
    if not over:
        return
    st.header(tr("Over"), anchor=False)
    chosen = untyped(st).dataframe(
        over_table(over),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="over",
        alt=tr("Jobs that are over, the latest first."),
    )
    rows = chosen.selection.rows
    _show_one(over[rows[0] if rows and rows[0] < len(over) else 0], queue_of(here))


def _show_one(files: JobFiles, queue: Path) -> None:
    job, state = files.job, state_of(files)
    st.markdown(f"**{escaped(title_in_words(job))}** {escaped(state.words)}")
    show_command(job.command)
    first, second, _ = st.columns([1, 1, 3])
    with first:
        act(state.again, f"again {job.id}", lambda: again(queue, job.id))
    with second:
        act(tr("Forget it"), f"forget {job.id}", lambda: forget(queue, job.id))
    if job.verb in ("check", "plan") and state.name in ("done", "answered no"):
        st.page_link("data/data_page.py", label=tr("See what it found, on the page Data"))
    if answer := answer_of(files):
        st.caption(tr("What it answered"))
        st.code(answer, language=None, height=LOG_HEIGHT, wrap_lines=True)
    if log := log_of(files):
        st.caption(tr("What it said while it worked"))
        st.code(log, language=None, height=LOG_HEIGHT, wrap_lines=True)


show()
