"""A job: one of our commands, kept as a folder of small files. What became of it is read off these files alone.

job.json      what is to be run, where, on which device
started.json  which process it is
stop.json     somebody asked it to stop
ended.json    how it ended
log.txt       what it says while it works, which is progress too
said.txt      its answer
"""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from foundation.errors import UserError
from foundation.files import bytes_within, write_text
from foundation.toml_config import Section
from studio.jobs.process_marks import ProcessMark
from studio.languages.translation import tr

JOB, STARTED, STOP, ENDED = "job.json", "started.json", "stop.json", "ended.json"
LOG, SAID = "log.txt", "said.txt"
LARGEST_FILE = 2**20  # bytes of such a record; a longer one is no record of ours

Kept = TypeVar("Kept", bound=Section)


class JobError(UserError):
    """A job that cannot be begun, stopped or read."""


class Job(Section):
    """What is to be run: `python -m MODULE ARGUMENTS` in `folder`, on `device` (see `devices.py`).

    `after`: the id of a job that must have ended well before; "" for none. `environment`: variables set for it.
    """

    id: str = Field(pattern=r"^[0-9]{8}-[0-9]{6}-[0-9]{6}-[0-9a-f]{4}$")
    title: str
    module: Literal["trainer", "eval"]
    arguments: tuple[str, ...]
    folder: str
    device: str
    asked: float
    after: str = ""
    environment: dict[str, str] = Field(default={})

    @property
    def verb(self) -> str:
        """The command's own name: run, grid, check."""
        return self.arguments[0] if self.arguments else ""

    @property
    def command(self) -> str:
        """The command as one would type it, in `folder`."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*variables, shlex.join(["python", "-m", self.module, *self.arguments])])


class Started(Section):
    """The process of a job, the runner that waits for its end, and when it began (seconds since 1970)."""

    process: ProcessMark
    runner: ProcessMark
    at: float


class StopAsked(Section):
    """When somebody asked a job to stop."""

    at: float


class Ended(Section):
    """How a job ended: `code` as the system has it (minus a signal's number), None where there is none: then `how` says
    which other end it had, and `words` why, in English, with `values` in the place of their names in braces."""

    code: int | None
    at: float
    how: Literal["by itself", "not begun", "cut off"] = "by itself"
    words: str = ""
    values: dict[str, str] = Field(default={})


class JobFiles(Section):
    """All that is kept of one job."""

    folder: Path
    job: Job
    started: Started | None = None
    stop: StopAsked | None = None
    ended: Ended | None = None

    @property
    def log(self) -> Path:
        """What it says while it works."""
        return self.folder / LOG

    @property
    def said(self) -> Path:
        """Its answer."""
        return self.folder / SAID


def new_job(
    module: Literal["trainer", "eval"],
    arguments: Sequence[str],
    title: str,
    folder: Path,
    device: str,
    environment: Mapping[str, str] | None = None,
    after: str = "",
) -> Job:
    """A job that was not there before; ids sort by when it was asked for."""
    now = time.time()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    return Job(
        id=f"{stamp}-{int(now % 1 * 1e6):06d}-{secrets.token_hex(2)}",
        title=title,
        module=module,
        arguments=tuple(arguments),
        folder=str(folder),
        device=device,
        asked=now,
        after=after,
        environment=dict(environment or {}),
    )


def title_in_words(job: Job) -> str:
    """A job's title, which is kept in English: the command's, and what it is about."""
    title, colon, about = job.title.partition(": ")
    return tr("{command}: {about}", command=tr(title), about=about) if colon else tr(title)


def keep(folder: Path, name: str, what: Section) -> None:
    """Write one of a job's files whole."""
    write_text(folder / name, what.model_dump_json(indent=1) + "\n")


def read_job(folder: Path) -> JobFiles:
    """What is kept of the job in `folder`. Raises JobError where that is none of ours."""
    job = _read(folder / JOB, Job)
    if job is None or job.id != folder.name:
        raise JobError(tr("{folder}: not a job's folder; move it away", folder=folder))
    return JobFiles(
        folder=folder,
        job=job,
        started=_read(folder / STARTED, Started),
        stop=_read(folder / STOP, StopAsked),
        ended=_read(folder / ENDED, Ended),
    )


def jobs_in(folder: Path) -> list[JobFiles]:
    """All jobs kept below `folder`, in the order in which they were asked for. What is no job of ours is left out."""
    found: list[JobFiles] = []
    for job in sorted(one.parent for one in folder.glob(f"*/{JOB}")):
        try:
            found.append(_ended_job(job, ended) if (ended := _changed(job / ENDED)) else read_job(job))
        except JobError:
            continue
    return found


@lru_cache(maxsize=4096)
def _ended_job(folder: Path, changed: int) -> JobFiles:
    """Of a job that is over nothing changes any more, and pages ask every other second. `changed` is only a key."""
    return read_job(folder)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _read(path: Path, kind: type[Kept]) -> Kept | None:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise JobError(tr("{file}: too large to be ours; move it away", file=path))
        return kind.model_validate_json(bytes_within(path, LARGEST_FILE))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise JobError(tr("{file}: cannot be read; move its folder away", file=path)) from error
