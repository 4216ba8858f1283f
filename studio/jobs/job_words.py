"""What the page says of jobs: a card for each that waits or runs, a row for each that is over. No Streamlit here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from studio.jobs.devices import LIGHT, said
from studio.jobs.job_progress import last_line, progress_in, tail_of
from studio.jobs.job_state import CALLED, JobState, state_of
from studio.jobs.kept_job import JobFiles, title_in_words
from studio.languages.translation import tr
from studio.shared.tables import Table, table_of
from studio.shared.time_words import done_at, lasting

SHOWN = 50  # jobs that are over, the latest first
PATIENCE = 20.0  # seconds after a polite stop until a harsh one is offered


@dataclass(frozen=True)
class JobCard:
    """A job that waits or runs: what it does now, in words; `share` is None where nobody knows how far it is."""

    files: JobFiles
    state: JobState
    words: str
    share: float | None
    may_be_killed: bool


def card_of(files: JobFiles, now: float | None = None) -> JobCard:
    """The card of a job as it is at this moment (seconds since 1970)."""
    state, seconds = state_of(files), time.time() if now is None else now
    if files.started is None:
        device = files.job.device
        words = tr("waits behind the others") if device == LIGHT else tr("waits for {device}", device=said(device))
        return JobCard(files, state, words, None, may_be_killed=False)
    since = tr("runs for {duration}", duration=lasting(max(0.0, seconds - files.started.at)))
    may_be_killed = files.stop is not None and seconds - files.stop.at > PATIENCE
    if state.name == "stopping":
        return JobCard(files, state, state.words, None, may_be_killed)
    progress = progress_in(files.log, seconds)
    if progress is None:
        line = last_line(files.log)
        return JobCard(files, state, f"{since}; {line}" if line else since, None, may_be_killed)
    left = "" if progress.left is None else f"; {done_at(progress.left, _local(seconds))}"
    counted = f" {progress.counted}" if progress.counted else ""
    return JobCard(files, state, f"{progress.title}{counted}; {since}{left}", progress.share, may_be_killed)


def over_table(jobs: Sequence[JobFiles]) -> Table:
    """Jobs that are over, a row each, as they are given."""
    states = [state_of(one) for one in jobs]
    return table_of(
        {
            tr("job"): [title_in_words(one.job) for one in jobs],
            tr("became"): [tr(CALLED[state.name]) for state in states],
            tr("ended"): [_when(one) for one in jobs],
            tr("took"): [_took(one) for one in jobs],
        }
    )


def latest_over(jobs: Sequence[JobFiles], most: int = SHOWN) -> list[JobFiles]:
    """Those that are over, the latest first."""
    over = [one for one in jobs if not state_of(one).is_open]
    return sorted(over, key=lambda one: (_end_of(one), one.job.id), reverse=True)[:most]


def log_of(files: JobFiles) -> str:
    """The end of what it said while it worked."""
    return tail_of(files.log, 16 * 1024)


def answer_of(files: JobFiles) -> str:
    """Its answer, where it is one for people: not one JSON document for programs."""
    return "" if "--json" in files.job.arguments else tail_of(files.said, 32 * 1024)


def _end_of(files: JobFiles) -> float:
    return files.ended.at if files.ended is not None else files.started.at if files.started is not None else 0.0


def _when(files: JobFiles) -> str:
    return f"{_local(files.ended.at):%Y-%m-%d %H:%M}" if files.ended is not None else tr("nobody saw it")


def _took(files: JobFiles) -> str:
    if files.ended is None or files.started is None or files.ended.how != "by itself":
        return ""
    return lasting(max(0.0, files.ended.at - files.started.at))


def _local(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds).astimezone()
