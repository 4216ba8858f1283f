"""Locks of files that the system lets go of when their holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from studio.jobs.kept_job import JobError
from studio.languages.translation import tr

QUEUE = "queue.lock"


class Held:
    """A lock that is held until `release`, or until this process ends."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def release(self) -> None:
        """Let go of it."""
        os.close(self._handle)


def taken(path: Path) -> Held | None:
    """Take the lock, or None where somebody has it. The file stays, empty."""
    handle = _opened(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return Held(handle)


@contextmanager
def held(path: Path) -> Generator[None]:
    """Hold the lock as long as the block lasts; wait for it first."""
    handle = _opened(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def queue_lock(queue: Path) -> Path:
    """Held while something is decided about a queue: microseconds."""
    return queue / QUEUE


def runner_lock(queue: Path, device: str) -> Path:
    """Held by the runner of a device for as long as it lives."""
    return queue / f"runner-{device}.lock"


def device_lock(device: str) -> Path:
    """Held while a job of whichever queue uses the device: studios of several folders share it.

    Raises JobError where its place is somebody else's.
    """
    place = Path(tempfile.gettempdir()) / f"lora-studio-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.getuid():
        raise JobError(tr("{folder}: is somebody else's; set TMPDIR to a folder of your own", folder=place))
    return place / f"{device}.lock"


def _opened(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
