"""The process that draws previews: begun when the first is asked for, one for a folder, gone when nobody asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from studio.jobs.devices import devices_here
from studio.jobs.job_queue import environment_of_jobs
from studio.jobs.locks import taken
from studio.previewing.wanted_pictures import LOCK

FOLDER = Path("runs") / "previews"
LOG = "worker.log"
WORKER = "studio.previewing.worker"


def place_of(here: Path) -> Path:
    """Where the previews of a studio that was started in `here` are kept."""
    return here / FOLDER


def is_there(place: Path) -> bool:
    """Whether somebody draws the previews of a folder. Asked by taking the lock for a moment."""
    if not (place / LOCK).exists():
        return False
    lock = taken(place / LOCK)
    if lock is not None:
        lock.release()
    return lock is None


def see_to_it(place: Path) -> None:
    """Begin the process, unless it lives; of two that begin at once the second one ends at once."""
    if is_there(place):
        return
    device = devices_here()[0]
    with (place / LOG).open("wb") as log:
        subprocess.Popen(
            [sys.executable, "-P", "-m", WORKER, str(place), str(os.getpid()), device.name],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**environment_of_jobs(), **device.environment},
        )
