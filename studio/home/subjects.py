"""Subjects that are being worked on: a folder with train.toml or grid.toml, where it stands, and the next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.request.spec import GridSpec
from eval.store.connection import is_store, last_changed
from foundation.errors import UserError
from foundation.printing import from_here
from foundation.toml_config import read_toml, validate
from studio.home.undrawn_files import is_drawn, undrawn_files
from studio.jobs.commands import CHECK, GRID, TRAIN, Command
from studio.jobs.kept_job import Job, JobFiles
from studio.languages.retelling import told
from studio.languages.translation import noted, tr, tr_many
from studio.shared.allowed_folders import AllowedFolders
from studio.shared.found_work import FoundWork
from studio.shared.stores import drawn_loras, is_being_drawn, is_finished
from trainer.config.config import TrainConfig, parse_config
from trainer.records.record import RunRecord, read_record, record_path
from trainer.records.run_lock import is_being_trained

RANKING, DATA, JOBS = "ranking", "data", "jobs"


@dataclass(frozen=True)
class Step:
    """What to do next: a command to begin with its answers, or a page to look at; `label` is the button's, in "
    "English."""

    label: str
    command: Command | None = None
    answers: Mapping[str, object] | None = None
    page: str = ""
    store: Path | None = None


@dataclass(frozen=True)
class Subject:
    """A subject's folder, where it stands in words, and what comes next; the first step is the one to take."""

    folder: Path
    name: str
    words: str
    steps: tuple[Step, ...]


def subjects_of(found: FoundWork, jobs: Sequence[JobFiles], folders: AllowedFolders) -> list[Subject]:
    """A subject for each folder that has a train.toml or a grid.toml, those with a next step first.

    `jobs` are those that wait or run.
    """
    places = list(dict.fromkeys(path.parent for path in (*found.trains, *found.grids)))
    ours = [one.job for one in jobs]
    subjects = [_subject(place, found, folders, ours) for place in places]
    return sorted(subjects, key=lambda one: not one.steps)


def _subject(folder: Path, found: FoundWork, folders: AllowedFolders, jobs: Sequence[Job]) -> Subject:
    train = next((one for one in found.trains if one.parent == folder), None)
    grid = next((one for one in found.grids if one.parent == folder), None)
    name = folders.called(folder)
    try:
        words, steps = _stands(train, grid, folders, jobs)
    except UserError as problem:
        return Subject(folder, name, from_here(str(problem), folders.here), ())
    check = () if train is None else (Step(noted("Check the data"), CHECK, {"dataset": folders.called(train)}),)
    return Subject(folder, name, words, tuple(step for step in (*steps, *check) if not _is_done_by(step, jobs)))


def _stands(
    train: Path | None, grid: Path | None, folders: AllowedFolders, jobs: Sequence[Job]
) -> tuple[str, tuple[Step, ...]]:
    """Raises UserErrors of files that cannot be read."""
    trained: dict[Path, str] = {}
    if train is not None:
        config = parse_config(read_toml(train), train)
        path = record_path(config)
        record = read_record(path) if path.is_file() else None
        # One that was refused before its first step has nothing to go on with.
        is_new = record is None or not record.done
        step = Step(noted("Train") if is_new else noted("Go on training"), TRAIN, {"config": folders.called(train)})
        if record is None or record.seconds is None:
            if is_being_trained(config):  # its record is written once its pictures and models are read
                return _under_way(record), ()
            return (_untrained(config) if record is None else _unfinished(record)), (step,)
        trained = {(config.output.folder / name).resolve(): sha256 for name, sha256 in record.files.items()}
        words = tr_many("trained: {count} file", "trained: {count} files", len(record.files))
        words = tr("{trained}, {outcome}", trained=words, outcome=told(record.outcome)) if record.outcome else words
    else:
        words = tr("a grid of LoRA files that are there")
    if grid is None:
        return tr("{state}; no grid.toml beside it", state=words), ()
    return _of_grid(grid, words, trained, folders, jobs)


def _of_grid(
    grid: Path, words: str, trained: Mapping[Path, str], folders: AllowedFolders, jobs: Sequence[Job]
) -> tuple[str, tuple[Step, ...]]:
    """`trained`: the files of the subject's run, with their sha256."""
    spec = validate(GridSpec, read_toml(grid), grid)
    store = spec.store.path
    step = Step(noted("Draw the grid"), GRID, {"spec": folders.called(grid)})
    if not is_store(store):
        return tr("{state}; no grid is drawn yet", state=words), (step,)
    if not is_finished(store, last_changed(store)):
        return _of_open_grid(store, words, step, jobs)
    look = Step(noted("Look at the ranking"), page=RANKING, store=store)
    drawn = drawn_loras(store, last_changed(store))
    if missing := undrawn_files(spec.lora.checkpoints, trained, drawn):
        said = tr_many(
            "{state}; {count} LoRA file is not in its grid yet",
            "{state}; {count} LoRA files are not in its grid yet",
            len(missing),
            state=words,
        )
        return said, (step, look)
    if trained and not any(is_drawn(file, trained, drawn) for file in trained):
        return tr("{state}; its grid is of other files, and grid.toml names none of these", state=words), (look,)
    return tr("{state}; its grid is drawn and scored", state=words), (look,)


def _of_open_grid(store: Path, words: str, step: Step, jobs: Sequence[Job]) -> tuple[str, tuple[Step, ...]]:
    """Of a store that is not finished: whoever draws it now is not got in the way of."""
    if _is_done_by(step, jobs):
        return tr("{state}; its grid is among the jobs that run or wait", state=words), ()
    if is_being_drawn(store):
        return tr("{state}; its grid is being drawn elsewhere, and goes on by itself", state=words), ()
    go_on = Step(noted("Go on with the grid"), GRID, step.answers)
    return tr("{state}; its grid is not finished", state=words), (go_on,)


def _is_done_by(step: Step, jobs: Sequence[Job]) -> bool:
    """Whether a job that waits or runs does a step already."""
    about = (str(next(iter((step.answers or {}).values()), "")),)
    return step.command is not None and any(
        job.verb == step.command.verb and job.arguments[1:2] == about for job in jobs
    )


def _untrained(config: TrainConfig) -> str:
    return tr_many(
        "{count} epoch; nothing is trained yet", "{count} epochs; nothing is trained yet", config.training.epochs
    )


def _under_way(record: RunRecord | None) -> str:
    if record is None:
        return tr("is being trained now: its first steps come soon")
    return tr(
        "is being trained now: {done} of {total} steps when its record was last written",
        done=record.done,
        total=record.steps,
    )


def _unfinished(record: RunRecord) -> str:
    said = tr("{done} of {total} steps are trained", done=record.done, total=record.steps)
    return tr("{state}; it stopped: {why}", state=said, why=told(record.failure)) if record.failure else said
