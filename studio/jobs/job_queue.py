"""The queue of jobs of a folder: put in, stop, take out. A runner of its own, detached, begins them one by one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from studio.jobs.job_state import state_of
from studio.jobs.kept_job import (
    ENDED,
    JOB,
    STOP,
    Ended,
    Job,
    JobError,
    JobFiles,
    StopAsked,
    jobs_in,
    keep,
    new_job,
    read_job,
    title_in_words,
)
from studio.jobs.locks import held, queue_lock, runner_lock, taken
from studio.languages.translation import noted, tr

FOLDER = Path("runs") / "jobs"
RUNNER_LOG = "runner.log"
RUNNER = "studio.jobs.runner"


def queue_of(here: Path) -> Path:
    """Where the jobs of a studio that was started in `here` are kept."""
    return here / FOLDER


def put_in(queue: Path, *jobs: Job) -> None:
    """Keep jobs, and see to it that somebody runs them. They outlive whoever asked for them."""
    with held(queue_lock(queue)):
        for job in jobs:
            (queue / job.id).mkdir(parents=True)
            keep(queue / job.id, JOB, job)
    for device in dict.fromkeys(job.device for job in jobs):
        see_to(queue, device)


def see_to(queue: Path, device: str) -> None:
    """Begin a runner for a device, unless one lives."""
    with held(queue_lock(queue)):
        if _has_runner(queue, device):
            return
        with (queue / RUNNER_LOG).open("ab") as log:
            subprocess.Popen(
                [sys.executable, "-P", "-m", RUNNER, str(queue), device],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=environment_of_jobs(),
            )


def _has_runner(queue: Path, device: str) -> bool:
    """Whether somebody begins the next job of a device. Asked with the queue's lock: it takes the runner's to see."""
    lock = taken(runner_lock(queue, device))
    if lock is not None:
        lock.release()
    return lock is None


def standing_still(queue: Path) -> list[str]:
    """Devices for which jobs wait while nobody begins them, as after the machine's restart."""
    if not queue.is_dir():
        return []
    with held(queue_lock(queue)):
        waiting = dict.fromkeys(one.job.device for one in jobs_in(queue) if state_of(one).name == "waiting")
        return [device for device in waiting if not _has_runner(queue, device)]


def stop(queue: Path, job_id: str) -> None:
    """Take a waiting job out; ask a running one to end, as Ctrl-C and a polite kill do. Raises JobError."""
    with held(queue_lock(queue)):
        files = read_job(queue / job_id)
        state = state_of(files)
        if state.name == "waiting":
            keep(
                files.folder,
                ENDED,
                Ended(code=None, at=time.time(), how="not begun", words=noted("was taken out of the queue")),
            )
            return
        if not state.is_open or files.started is None:
            raise _over_already(files)
        keep(files.folder, STOP, StopAsked(at=time.time()))
        with suppress(ProcessLookupError):  # it ended by itself in this moment
            os.kill(files.started.process.number, signal.SIGTERM)


def kill(queue: Path, job_id: str) -> None:
    """End a job that does not answer, and all that it has begun, at once. Raises JobError."""
    files = read_job(queue / job_id)
    if state_of(files).name not in ("running", "stopping") or files.started is None:
        raise _over_already(files)
    with suppress(ProcessLookupError):
        os.killpg(files.started.process.number, signal.SIGKILL)


def again(queue: Path, job_id: str) -> Job:
    """Put the same command in once more: all of ours go on where they stopped, and make nothing twice.

    Raises JobError while it waits or runs.
    """
    old = read_job(queue / job_id).job
    if any(one.job.command == old.command and one.job.folder == old.folder for one in open_jobs(queue)):
        raise JobError(
            tr("{job}: the same command waits or runs already; it would get into its own way", job=title_in_words(old))
        )
    job = new_job(old.module, old.arguments, old.title, Path(old.folder), old.device, old.environment)
    put_in(queue, job)
    return job


def forget(queue: Path, job_id: str) -> None:
    """Remove what is kept of a job that is over: its record and its log, nothing that it made. Raises JobError."""
    files = read_job(queue / job_id)
    if state_of(files).is_open:
        raise JobError(tr("{job}: is not over; stop it first", job=title_in_words(files.job)))
    for path in files.folder.iterdir():
        path.unlink()
    files.folder.rmdir()


def _over_already(files: JobFiles) -> JobError:
    return JobError(tr("{job}: is over already, there is nothing to stop", job=title_in_words(files.job)))


def environment_of_jobs() -> dict[str, str]:
    """This process's, but for what would shape a command's lines; they are said at once, not when a block is full."""
    left_out = ("COLUMNS", "LINES", "FORCE_COLOR")
    return {**{name: one for name, one in os.environ.items() if name not in left_out}, "PYTHONUNBUFFERED": "1"}


def open_jobs(queue: Path) -> list[JobFiles]:
    """Those that wait or run, in the order of their turn."""
    return [one for one in jobs_in(queue) if state_of(one).is_open]
