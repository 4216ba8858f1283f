"""One process trains a run at a time: two would pay twice for the same steps, and each write over the other's state."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from foundation.errors import ConfigurationError
from trainer.config.config import TrainConfig
from trainer.learning.processes import is_first_process

# Whoever only asks holds the lock for microseconds; a training holds it for minutes at least.
PATIENCE = 1.0  # seconds


class TrainingBusyError(ConfigurationError):
    """Another process trains this very run."""


@contextmanager
def run_lock(config: TrainConfig) -> Generator[None]:
    """Hold the run's lock for the block; the system lets go of it however the process ends.

    Of processes that share a run the first holds it. Where the disk knows no locks, or nothing can be written, none is
    held. Raises TrainingBusyError where another process holds it.
    """
    lock = _taken(config) if is_first_process() else None
    try:
        yield
    finally:
        if lock is not None:
            with suppress(OSError):  # while it is held: who waits for it sees that its name is gone, and makes it anew
                _place(config).unlink(missing_ok=True)
            lock.release()


def is_being_trained(config: TrainConfig) -> bool:
    """Whether a process trains this run now."""
    place = _place(config)
    if not place.is_file():
        return False
    lock = _lock(place)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def _taken(config: TrainConfig) -> BaseFileLock | None:
    lock = _lock(_place(config))
    try:
        config.output.folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE)
    except Timeout as error:
        raise TrainingBusyError(
            f"{config.output.folder / config.output.name}: is being trained by another process; let it end, or stop "
            "it, and run the same command again; for a second training choose another output.name"
        ) from error
    except OSError:
        return None
    return lock


def _lock(place: Path) -> BaseFileLock:
    return FileLock(place, fallback_to_soft=False)  # a soft one would outlive a kill


def _place(config: TrainConfig) -> Path:
    return config.output.folder / f".{config.output.name}-run.lock"
