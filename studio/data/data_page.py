"""The page of a dataset: what a check found, the captions, reg pictures beside the subject's, the plan of the run."""

from __future__ import annotations

import streamlit as st

from base_models.pictures.listing import list_pictures_below
from foundation.errors import UserError
from studio.data.captions_page import show_captions
from studio.data.datasets import Dataset, dataset_of
from studio.data.findings_shown import CheckShown, RuleShown, read_check
from studio.data.picture_tiles import Tile, wall_of
from studio.data.plan_shown import PlanShown, read_plan
from studio.jobs.asking import asked_job, begin, latest_of
from studio.jobs.commands import CHECK, PLAN, REGULARIZE, Command
from studio.jobs.job_parts_page import show_one_open
from studio.jobs.job_progress import last_line
from studio.jobs.job_state import state_of
from studio.jobs.kept_job import JobFiles, title_in_words
from studio.languages.translation import noted, tr
from studio.shared.allowed_folders import AllowedFolders
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.session import allowed, found_work

FINDINGS, CAPTIONS = noted("What the check finds"), noted("Captions")
REG, PLANNED = noted("Reg pictures"), noted("Plan and cost")
CHECK_IT, PLAN_IT = noted("Check it"), noted("Plan it")
AGAIN = {CHECK_IT: noted("Check it again"), PLAN_IT: noted("Plan it again")}
BESIDE = 24  # pictures of the subject, and of the class, at once


def show() -> None:
    """Draw the page."""
    st.title(tr("Data"), anchor=False)
    folders = allowed()
    offered = [folders.called(one) for one in found_work().trains]
    written = st.selectbox(
        tr("Dataset"), offered, index=0 if offered else None, accept_new_options=True, key="dataset",
        placeholder=tr("a run's train.toml, or a folder that holds Train and Reg"),
        help=tr("Found here are runs' configurations. Type the path of a folder to look at another dataset."),
    )  # fmt: skip
    if not written:
        st.write(
            tr("No dataset was found here. Type the path of a folder of pictures, or begin with a subject on Home.")
        )
        return
    try:
        dataset = dataset_of(written, folders)
        what = st.segmented_control(
            tr("Show"), [FINDINGS, CAPTIONS, REG, PLANNED], default=FINDINGS, format_func=tr, key="shown of data"
        )
        if what == CAPTIONS:
            show_captions(dataset.folders)
        elif what == REG:
            _show_reg(dataset)
        elif what == PLANNED:
            _show_plan(dataset, folders)
        else:
            _show_findings(dataset, folders)
    except UserError as problem:
        st.warning(in_sentence(str(problem)), icon=":material/error:")


def _job_of(command: Command, dataset: Dataset, folders: AllowedFolders, label: str) -> JobFiles | None:
    """The last job of this command over the dataset, once it is over; a button begins one. `label` is in English."""
    job = latest_of(folders.here, command.module, (command.verb, dataset.name))
    is_open = job is not None and state_of(job).is_open
    if st.button(tr(label if job is None else AGAIN[label]), type="primary" if job is None else "secondary",
                 disabled=is_open):  # fmt: skip
        field = command.fields[0].name
        begin(folders.here, asked_job(command, {field: dataset.name}, folders))
        st.rerun()
    if job is not None and is_open:
        show_one_open(folders.here, job.job.id)
        return None
    return job


def _show_findings(dataset: Dataset, folders: AllowedFolders) -> None:
    job = _job_of(CHECK, dataset, folders, CHECK_IT)
    if job is None:
        return
    found = read_check(job.said, folders)
    if found is None:
        _say_why_not(job)
        return
    (st.success if found.is_ready else st.warning)(escaped(found.summary))
    _show_rules(found)
    with st.expander(tr("By which settings, and what was not looked at")):
        for line in (*found.facts, *(tr("not looked at: {what}", what=one) for one in found.unmeasured)):
            st.caption(in_sentence(line))


def _show_rules(found: CheckShown) -> None:
    for heading in dict.fromkeys(rule.heading for rule in found.rules):
        st.header(heading, anchor=False)
        for rule in found.rules:
            if rule.heading == heading:
                _show_rule(rule)


def _show_rule(rule: RuleShown) -> None:
    often = f" ({rule.count})" if rule.count > 1 else ""
    with st.container(border=True):
        advice = tr("Do: {advice}", advice=in_sentence(rule.advice))
        st.markdown(f"**{in_sentence(rule.title)}**{often}  \n{advice}")
        for said in rule.of_the_set:
            st.markdown(escaped(said))
        if rule.tiles:
            st.html(wall_of(rule.tiles))
        st.caption(tr("From {source}", source=in_sentence(rule.source)))


def _say_why_not(job: JobFiles) -> None:
    st.warning(escaped(f"{title_in_words(job.job)} {state_of(job).words}"), icon=":material/error:")
    st.code(last_line(job.log) or tr("it has said nothing"), language=None, wrap_lines=True)


def _show_reg(dataset: Dataset) -> None:
    subject = [one for folder in dataset.train for one in list_pictures_below(folder).pictures]
    reg = [one for folder in dataset.reg for one in list_pictures_below(folder).pictures]
    if not reg:
        st.write(tr("This dataset has no reg pictures: others of the class, which keep it from becoming the subject."))
        st.write(tr("They are drawn from the captions by the job *{job}*.", job=tr(REGULARIZE.title)))
        st.page_link("jobs/jobs_page.py", label=tr("To the page Jobs"))
        return
    st.write(
        tr(
            "Reg pictures are of the class and never of the subject; like poses and clothes are good. Where a face "
            "at the right is the subject's, take that picture out."
        )
    )
    pages = max(-(-len(subject) // BESIDE), -(-len(reg) // BESIDE))
    page = int(st.number_input(tr("Page"), 1, pages, 1, help=tr("of {count}", count=pages))) - 1 if pages > 1 else 0
    left, right = st.columns(2)
    for place, name, pictures in ((left, tr("The subject"), subject), (right, tr(REG), reg)):
        place.subheader(f"{name} ({len(pictures)})", anchor=False)
        shown = pictures[page * BESIDE : (page + 1) * BESIDE]
        place.html(wall_of([Tile(one, one.name) for one in shown]))


def _show_plan(dataset: Dataset, folders: AllowedFolders) -> None:
    if dataset.config is None:
        st.write(tr("A plan is of a run's configuration: choose a train.toml, or begin with a subject on Home."))
        return
    job = _job_of(PLAN, dataset, folders, PLAN_IT)
    if job is None:
        st.caption(tr("A few real steps are made to see how long all will take. Nothing is trained."))
        return
    found = read_plan(job.said)
    if found is None:
        _say_why_not(job)
        return
    _show_planned(found)


def _show_planned(found: PlanShown) -> None:
    with st.container(horizontal=True):
        for name, figure in found.tiles.items():
            st.metric(name, figure, width="content")
    for sentence in found.sentences:
        st.markdown(in_sentence(sentence))
    st.subheader(tr("Unlike runs that worked"), anchor=False)
    for sentence in found.standing_out or (tr("Nothing stands out."),):
        st.markdown(in_sentence(sentence))


show()
