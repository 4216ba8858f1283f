"""The first page: what runs and when it is done, each subject with its next step, stores, folders of LoRA files."""

from __future__ import annotations

import streamlit as st

from foundation.errors import UserError
from foundation.typed.untyped import untyped
from studio.home.demo import demo_jobs, is_there
from studio.home.home_words import SHOWN, StoreLine, inspecting, lora_table, store_lines
from studio.home.subjects import Step, Subject, subjects_of
from studio.jobs.asking import asked_job, begin, same_open_job
from studio.jobs.commands import INIT
from studio.jobs.job_parts_page import show_command_form, show_open
from studio.jobs.job_queue import open_jobs, queue_of
from studio.languages.translation import tr, tr_many
from studio.shared.allowed_folders import AllowedFolders
from studio.shared.found_work import FoundWork
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.notices import REFRESH, show_command, show_how_far
from studio.shared.session import allowed, found_work, in_chosen_language, show_store

RANKING_PAGE, RUNS_PAGE = "ranking/ranking_page.py", "training_runs/runs_page.py"


def show() -> None:
    """Draw the page."""
    st.title("LoRA studio", anchor=False)
    folders, found = allowed(), found_work()
    has_jobs = bool(open_jobs(queue_of(folders.here)))
    if has_jobs:
        st.header(tr("Under way"), anchor=False)
        show_open(folders.here)
    if found.is_nothing:
        if not has_jobs:
            _show_beginning(folders)
        return
    _show_subjects(found, folders)
    _show_stores(found, folders)
    if found.records:
        st.header(tr("Runs"), anchor=False)
        with st.container(border=True):
            words, button = st.columns([4, 1], vertical_alignment="center")
            words.markdown(
                tr_many(
                    "{count} run of training, side by side with what any two changed",
                    "{count} runs of training, side by side with what any two changed",
                    len(found.records),
                )
            )
            if button.button(tr("Look"), key="look at runs", width="stretch"):
                st.switch_page(RUNS_PAGE)
    _show_loras(found, folders)
    with st.expander(tr("Begin with another subject")):
        _show_start(folders)
    if not found.is_whole:
        st.caption(
            tr("There are too many folders here to look into all of them. Start the studio in the one you work in.")
        )


def _show_beginning(folders: AllowedFolders) -> None:
    st.write(
        tr(
            "There is nothing below {folder} yet: no subject, no LoRA file, no grid. Begin with your own pictures, "
            "or see first what comes out in the end.",
            folder=escaped(str(folders.here)),
        )
    )
    demo, own = st.tabs([tr("See the demo"), tr("Begin with a subject")])
    with demo:
        st.write(
            tr(
                "Trains a small drawn person, draws every checkpoint and scores it, in some ten minutes on a "
                "processor. It lands in the folder `demo`; nothing is downloaded."
            )
        )
        if st.button(tr("Make the demo"), type="primary", disabled=is_there(folders.here)):
            begin(folders.here, *demo_jobs(folders.here))
            st.rerun()
    with own:
        _show_start(folders)


def _show_start(folders: AllowedFolders) -> None:
    st.write(tr(INIT.about))
    show_command_form(INIT, folders)


def _show_subjects(found: FoundWork, folders: AllowedFolders) -> None:
    subjects = subjects_of(found, open_jobs(queue_of(folders.here)), folders)
    if not subjects:
        return
    st.header(tr("Subjects"), anchor=False)
    for one in subjects[:SHOWN]:
        _show_subject(one, folders)
    if len(subjects) > SHOWN:
        _say_more(len(subjects) - SHOWN)


def _show_subject(subject: Subject, folders: AllowedFolders) -> None:
    with st.container(border=True):
        words, buttons = st.columns([3, 2], vertical_alignment="center")
        words.markdown(f"**{escaped(subject.name)}**  \n{escaped(subject.words)}")
        with buttons.container(horizontal=True, horizontal_alignment="right"):
            for at, step in enumerate(subject.steps):
                kind = "primary" if at == 0 else "secondary"
                if st.button(tr(step.label), key=f"step {subject.name} {step.label}", type=kind):
                    _take(step, folders)


def _take(step: Step, folders: AllowedFolders) -> None:
    if step.store is not None:
        show_store(step.store)
        st.switch_page(RANKING_PAGE)
    if step.command is None:
        return
    try:
        job = asked_job(step.command, step.answers or {}, folders)
        if same_open_job(folders.here, job) is None:
            begin(folders.here, job)
    except UserError as problem:
        st.warning(in_sentence(str(problem)))
        return
    st.rerun()


def _show_stores(found: FoundWork, folders: AllowedFolders) -> None:
    lines = store_lines(found.stores, folders)
    if not lines:
        return
    st.header(tr("Grids"), anchor=False)
    for one in lines[:SHOWN]:
        _show_line(one)
    if len(lines) > SHOWN:
        _say_more(len(lines) - SHOWN)


def _say_more(count: int) -> None:
    st.caption(tr_many("and {count} more", "and {count} more", count))


def _show_line(line: StoreLine) -> None:
    with st.container(border=True):
        words, button = st.columns([4, 1], vertical_alignment="center")
        if line.is_finished:
            words.markdown(f"**{escaped(line.name)}**  \n{in_sentence(line.words)}")
            if button.button(tr("Look"), key=f"look {line.name}", width="stretch"):
                show_store(line.folder)
                st.switch_page(RANKING_PAGE)
        elif line.progress is None:
            words.markdown(f"**{escaped(line.name)}**  \n{in_sentence(line.words)}")
        else:
            st.markdown(f"**{escaped(line.name)}**")
            _show_writing(line)


@st.fragment(run_every=REFRESH)
@in_chosen_language
def _show_writing(line: StoreLine) -> None:
    now = next(iter(store_lines([line.folder], allowed())))
    if now.is_finished or now.progress is None or line.progress is None:
        st.rerun()
    if now.progress.is_being_drawn != line.progress.is_being_drawn:
        st.rerun()  # what may be begun has changed
    show_how_far(now.progress)


def _show_loras(found: FoundWork, folders: AllowedFolders) -> None:
    if not found.loras:
        return
    st.header(tr("LoRA files"), anchor=False)
    untyped(st).dataframe(lora_table(found.loras, folders), hide_index=True, alt=tr("Folders of LoRA files."))
    st.caption(tr("What they hold, and which are broken, a command says:"))
    show_command(inspecting(found.loras, folders))


show()
