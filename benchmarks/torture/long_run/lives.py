"""A long command in one life after the other: each killed at a random instant, and watched until then."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

import psutil

from torture.long_run.stand_in import LINE
from torture.tries import HANG, Ended, begun

GLANCE = 0.1  # seconds between two looks
WARM = 0.25  # of what a life draws: until then it is still opening and loading
PARTS = 3  # a life is killed after such a part of all pictures at the latest, so that there are some lives
MOST_GROWN = 32.0  # MB that a life may take more at its end than when it was warm
MOST_HANDLES = 4  # files or threads more at the end


@dataclass(frozen=True)
class Glance:
    """What a process held when so many pictures were drawn in all: memory in MB, open files, threads."""

    drawn: int
    memory: float
    files: int
    threads: int


@dataclass(frozen=True)
class Life:
    """One process from its beginning to its end; `ended` None: it was killed as it should be."""

    glances: list[Glance]
    seconds: float
    ended: Ended | None

    @property
    def warm(self) -> list[Glance]:
        """The glances at a process that has begun to draw and has all that it needs."""
        drawing = [one for one in self.glances if one.drawn > self.glances[0].drawn]
        return drawing[int(len(drawing) * WARM) :]

    def grown(self, figure: Callable[[Glance], float]) -> float:
        """How much more of it there is in the last third of its warm glances than in the first."""
        third = max(1, len(self.warm) // 3)
        values = [figure(one) for one in self.warm]
        return median(values[-third:]) - median(values[:third]) if values else 0.0

    def leaks(self) -> list[str]:
        """What of it grew without bound."""
        memory, files, threads = (self.grown(one) for one in FIGURES.values())
        told = [f"memory grew by {memory:.0f} MB in a life"] if memory > MOST_GROWN else []
        told += [f"{files:.0f} files more are open at the end of a life"] if files > MOST_HANDLES else []
        return told + ([f"{threads:.0f} threads more at the end of a life"] if threads > MOST_HANDLES else [])


FIGURES: dict[str, Callable[[Glance], float]] = {
    "memory": lambda one: one.memory,
    "files": lambda one: one.files,
    "threads": lambda one: one.threads,
}


def drawn_in(log: Path) -> int:
    """How many pictures the stand-in has drawn so far, those of batches that a kill took included."""
    return log.stat().st_size // LINE if log.is_file() else 0


@dataclass(frozen=True)
class Lives:
    """`every`: seconds of drawing after which a life ends, give or take a half; `total`: pictures in all."""

    run: Callable[[], None]
    out: Path
    log: Path
    every: float
    total: int

    def next(self, draw: Random) -> Life:
        """Begin the command, look at it, and kill it, unless it comes to its end before."""
        seconds, most = self.every * draw.uniform(0.5, 1.5), self.total / PARTS * draw.uniform(0.7, 1.0)
        first = before = drawn_in(self.log)
        glances, began = list[Glance](), time.monotonic()
        moved, since = began, None  # when it drew last, and for the first time
        child = begun(self.run, self.out)
        while True:
            found, status = os.waitpid(child, os.WNOHANG)
            now, drawn = time.monotonic(), drawn_in(self.log)
            if found:
                said = self.out.with_suffix(".err").read_text("utf-8", "replace")
                return Life(glances, now - began, Ended(os.waitstatus_to_exitcode(status), said, now - began))
            glances += _glance_at(child, drawn)
            if drawn > before:
                moved, since, before = now, since or now, drawn
            is_due = since is not None and (now - since > seconds or drawn - first > most)
            if is_due or now - moved > HANG:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return Life(glances, now - began, None if is_due else Ended(-signal.SIGKILL, "", None))
            time.sleep(GLANCE * draw.uniform(0.5, 1.5))


def _glance_at(process: int, drawn: int) -> list[Glance]:
    """Of one that has just ended, none."""
    try:
        seen = psutil.Process(process)
        memory = seen.memory_info().rss / 1e6
        return [Glance(drawn, memory, seen.num_fds(), seen.num_threads())] if memory else []
    except psutil.Error:
        return []
