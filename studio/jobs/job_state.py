"""What became of a job, in words that are true: told from its files and from whether its process still lives."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from studio.jobs.kept_job import Ended, JobFiles
from studio.jobs.process_marks import lives, was_restarted_since
from studio.languages.translation import noted, tr

Name = Literal[
    "waiting", "running", "stopping", "done", "answered no", "refused", "failed", "stopped", "cut off", "not begun"
]
OPEN: tuple[Name, ...] = ("waiting", "running", "stopping")
GOES_ON: tuple[Name, ...] = ("failed", "stopped", "cut off", "not begun")
REFUSED = 2  # the request, an input or a disk is wrong: the same command would end so again
BY_SIGNAL = 128
POLITE = (signal.SIGINT, signal.SIGTERM)
# What is kept of a job is kept in English, and said in the language of whoever looks at it.
RESTARTED = noted(
    "was cut off when the machine (or its container) was restarted; the same command goes on where it stopped"
)
GONE = noted(
    "is gone, and nobody saw how it ended: it was killed, or ended after its runner was; the same command goes on "
    "where it stopped"
)
CALLED: Mapping[Name, str] = {
    "waiting": noted("waiting"),
    "running": noted("running"),
    "stopping": noted("stopping"),
    "done": noted("done"),
    "answered no": noted("answered no"),
    "refused": noted("refused"),
    "failed": noted("failed"),
    "stopped": noted("stopped"),
    "cut off": noted("cut off"),
    "not begun": noted("not begun"),
}


@dataclass(frozen=True)
class JobState:
    """A name and a sentence."""

    name: Name
    words: str

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.name in OPEN

    @property
    def goes_on(self) -> bool:
        """Whether the same command has something left to do, and nothing is to be mended first."""
        return self.name in GOES_ON

    @property
    def again(self) -> str:
        """What to call the same command once more."""
        if self.name == "refused":
            return tr("Begin it anew")
        return tr("Go on") if self.goes_on else tr("Once more")


def state_of(files: JobFiles) -> JobState:
    """Raises nothing: a process that is gone without a word is said to be so."""
    if files.ended is not None:
        if files.ended.how == "by itself":
            return _ended(files.ended)
        return JobState(files.ended.how, tr(files.ended.words, **files.ended.values))
    if files.started is None:
        return JobState("waiting", tr("waits for its turn"))
    # One whose process is over while its runner lives is just being noted as ended.
    if lives(files.started.process) or lives(files.started.runner):
        if files.stop is not None:
            return JobState("stopping", tr("was asked to stop; it ends as soon as what is in hand is done"))
        return JobState("running", tr("runs"))
    return JobState("cut off", tr(cut_off_words(files)))


def cut_off_words(files: JobFiles) -> str:
    """Why a job that nobody saw end is over, in English."""
    if files.started is not None and was_restarted_since(files.started.process):
        return RESTARTED
    return GONE


def _ended(ended: Ended) -> JobState:
    code = ended.code or 0
    by_itself: dict[int, tuple[Name, str]] = {
        0: ("done", tr("is done")),
        1: ("answered no", tr("ran to its end, and its answer is no: see what it says")),
        REFUSED: (
            "refused",
            tr("could not do it: the last line of its log says why. Mend that, then begin it anew"),
        ),
    }
    if code in by_itself:
        return JobState(*by_itself[code])
    stopped_by = code - BY_SIGNAL if code > BY_SIGNAL else -code
    if stopped_by in POLITE:
        return JobState("stopped", tr("was stopped; the same command goes on where it stopped"))
    if stopped_by == signal.SIGKILL:
        return JobState(
            "cut off", tr("was killed, by somebody or for want of memory; the same command goes on where it stopped")
        )
    if stopped_by > 0:
        return JobState("failed", tr("ended by signal {number}: see its log", number=stopped_by))
    return JobState("failed", tr("ended with an error that nobody foresaw: see its log"))
