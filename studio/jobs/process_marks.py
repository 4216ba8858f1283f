"""Which process is meant: a number alone comes again, so its beginning and the machine's are kept beside it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from foundation.text_files import legible_text
from foundation.toml_config import Section

PROC = Path("/proc")
STARTED_AT = 19  # of a process's fields behind its name, counted from 0: when it began, in ticks since the machine did
DEAD = ("Z", "X")  # ended, though whoever began it has not asked how


class ProcessMark(Section):
    """A process of this machine: its number, when it began as the system writes it, and the system's own start."""

    number: int
    began: str
    machine: str


def mark_of(number: int) -> ProcessMark | None:
    """The mark of a process that lives; None where there is none of that number."""
    began = _began(number)
    return None if began is None else ProcessMark(number=number, began=began, machine=this_start())


def lives(mark: ProcessMark) -> bool:
    """Whether that very process still runs."""
    return mark_of(mark.number) == mark


def was_restarted_since(mark: ProcessMark) -> bool:
    """Whether the machine, or the container that numbers its processes, was started anew since."""
    return mark.machine != this_start()


def this_start() -> str:
    """What is the same from one start of the machine (or the container) to the next, and never again."""
    boot = legible_text(PROC / "sys/kernel/random/boot_id").strip() or _asked_ps(1) or ""
    return f"{boot} {_began(1) or ''}".strip()


def _began(number: int) -> str | None:
    if not PROC.is_dir():
        return _asked_ps(number)
    try:
        fields = legible_text(PROC / str(number) / "stat").rpartition(")")[2].split()
    except OSError:  # it ended in this moment
        return None
    return None if not fields or fields[0] in DEAD else fields[STARTED_AT]


def _asked_ps(number: int) -> str | None:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return None
    except PermissionError:  # it lives, and is somebody else's
        pass
    asked = ["ps", "-o", "lstart=", "-p", str(number)]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
