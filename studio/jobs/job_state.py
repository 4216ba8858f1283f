"""What became of a job, in words that are true: told from its files and from whether its process still lives."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Literal

from studio.jobs.kept_job import Ended, JobFiles
from studio.jobs.process_marks import lives, was_restarted_since

Name = Literal["waiting", "running", "stopping", "done", "answered no", "failed", "stopped", "cut off", "not begun"]
OPEN: tuple[Name, ...] = ("waiting", "running", "stopping")
GOES_ON: tuple[Name, ...] = ("failed", "stopped", "cut off", "not begun")
BY_SIGNAL = 128
POLITE = (signal.SIGINT, signal.SIGTERM)
SAME_COMMAND = "the same command goes on where it stopped"


@dataclass(frozen=True)
class JobState:
    """A name and a sentence. `goes_on`: it is worth beginning again."""

    name: Name
    words: str

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.name in OPEN

    @property
    def goes_on(self) -> bool:
        """Whether the same command has something left to do."""
        return self.name in GOES_ON


DONE = JobState("done", "is done")
ANSWERED_NO = JobState("answered no", "ran to its end, and its answer is no: see what it says")


def state_of(files: JobFiles) -> JobState:
    """Raises nothing: a process that is gone without a word is said to be so."""
    if files.ended is not None:
        return JobState(files.ended.how, files.ended.words) if files.ended.how != "by itself" else _ended(files.ended)
    if files.started is None:
        return JobState("waiting", "waits for its turn")
    # One whose process is over while its runner lives is just being noted as ended.
    if lives(files.started.process) or lives(files.started.runner):
        if files.stop is not None:
            return JobState("stopping", "was asked to stop; it ends as soon as what is in hand is done")
        return JobState("running", "runs")
    return JobState("cut off", cut_off_words(files))


def cut_off_words(files: JobFiles) -> str:
    """Why a job that nobody saw end is over."""
    if files.started is not None and was_restarted_since(files.started.process):
        return f"was cut off when the machine (or its container) was restarted; {SAME_COMMAND}"
    return f"is gone, and nobody saw how it ended: it was killed, or ended after its runner was; {SAME_COMMAND}"


def _ended(ended: Ended) -> JobState:
    code = ended.code or 0
    if code in (0, 1):
        return DONE if code == 0 else ANSWERED_NO
    stopped_by = code - BY_SIGNAL if code > BY_SIGNAL else -code
    if stopped_by in POLITE:
        return JobState("stopped", f"was stopped; {SAME_COMMAND}")
    if stopped_by == signal.SIGKILL:
        return JobState("cut off", f"was killed, by somebody or for want of memory; {SAME_COMMAND}")
    if stopped_by > 0:
        return JobState("failed", f"ended by signal {stopped_by}: see its log")
    return JobState("failed", "could not do it: the last line of its log says why, and what to do")
