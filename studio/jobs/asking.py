"""A job out of what was asked for on a page: the command, its device, and the queue that it goes into."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from studio.jobs.commands import Command, arguments_of, title_of
from studio.jobs.devices import Device, devices_here, light_work
from studio.jobs.job_queue import put_in, queue_of
from studio.jobs.job_state import state_of
from studio.jobs.kept_job import Job, JobFiles, jobs_in, new_job
from studio.shared.allowed_folders import AllowedFolders


def asked_job(
    command: Command,
    answers: Mapping[str, object],
    allowed: AllowedFolders,
    device: Device | None = None,
    after: str = "",
) -> Job:
    """The job that a filled-in form asks for. Raises AnswerError and OutsideError.

    `device`: of those that are here; the first one where none is chosen. Light work goes beside, unless it is followed.
    """
    arguments = arguments_of(command, answers, allowed)
    chosen = device or (light_work() if command.is_light else devices_here()[0])
    title = title_of(command, arguments)
    return new_job(command.module, arguments, title, allowed.here, chosen.name, chosen.environment, after)


def begin(here: Path, *jobs: Job) -> None:
    """Put jobs into the queue of the folder where the studio was started."""
    put_in(queue_of(here), *jobs)


def same_open_job(here: Path, job: Job) -> JobFiles | None:
    """The job of the same command that waits or runs already: two of them would get into each other's way."""
    for one in jobs_in(queue_of(here)):
        if one.job.command == job.command and one.job.folder == job.folder and state_of(one).is_open:
            return one
    return None


def latest_of(here: Path, module: str, arguments: tuple[str, ...]) -> JobFiles | None:
    """The last job whose command begins with these words, whatever became of it."""
    of_these = [
        one
        for one in jobs_in(queue_of(here))
        if one.job.module == module and one.job.arguments[: len(arguments)] == arguments
    ]
    return of_these[-1] if of_these else None
