"""Where work under way is shown: bars at the foot of a terminal, or lines in a file or a pipe."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from foundation.terminal.works import Work, bar_line, finished_line, plain_line

AT_ONCE = 0.5  # seconds: what is over sooner is not shown
PATIENCE = 1.5  # the same for lines, which stay
WORTH_A_LINE = 2.0  # what took longer leaves a line behind
LINE_EVERY = 10.0
LOOKS_A_SECOND = 4  # often enough for an eye, and nothing beside the work itself


class Display(ABC):
    """Shows the works that are begun and not ended, and lines, which `write` puts onto `console`."""

    def __init__(self, console: Console, write: Callable[[Text], None]) -> None:
        self._console, self._write = console, write
        self._works: list[Work] = []

    def begin(self, work: Work) -> None:
        """Show it from now on, if it lasts."""
        self._works.append(work)

    def end(self, work: Work) -> None:
        """Let it go; a line stays of what took long."""
        now = time.monotonic()
        if self._took_long(work, now):
            self.print(Text(finished_line(work, now)))

    def leave(self, work: Work) -> None:
        """Let go of what ended in an error: it stays as it stood, if it took long."""
        now = time.monotonic()
        if self._took_long(work, now):
            self.print(self.standing(work, now))

    def print(self, line: Text) -> None:
        """A line that stays."""
        self._write(line)

    @abstractmethod
    def standing(self, work: Work, now: float) -> Text:
        """How far a piece of work has come, in a line."""

    def _took_long(self, work: Work, now: float) -> bool:
        if work not in self._works:
            return False
        self._works.remove(work)
        return now - work.began >= WORTH_A_LINE


class Bars(Display):
    """A bar for each piece of work, at the foot of a terminal; lines go above."""

    def standing(self, work: Work, now: float) -> Text:
        return bar_line(work, now, self._console.width)

    @contextmanager
    def opened(self) -> Generator[Bars]:
        """As long as the block lasts; what is not finished then stays as it stands."""
        live = Live(console=self._console, refresh_per_second=LOOKS_A_SECOND, transient=True, get_renderable=self._now)
        with live:
            yield self
        if self._works:
            self._console.print(self._now())

    def _now(self) -> Group:
        now = time.monotonic()
        works = [work for work in self._works if now - work.began >= AT_ONCE]
        for work in works:
            work.seen(now)
        return Group(*(self.standing(work, now) for work in works))


class Lines(Display):
    """A line when a piece of work turns out to be slow, then one every LINE_EVERY seconds, and one at its end."""

    def __init__(self, console: Console, write: Callable[[Text], None]) -> None:
        super().__init__(console, write)
        self._told: set[int] = set()
        self._last = 0.0
        self._over = threading.Event()

    def standing(self, work: Work, now: float) -> Text:
        return Text(plain_line(work, now))

    def tick(self, now: float) -> None:
        """Say what is due at this moment: what was begun last, if nothing was heard of it for too long."""
        works = [work for work in self._works if now - work.began >= PATIENCE]
        if not works:
            return
        work = works[-1]
        if id(work) in self._told and now - self._last < LINE_EVERY:
            return
        self._told.add(id(work))
        self._last = now
        work.seen(now)
        self.print(self.standing(work, now))

    @contextmanager
    def opened(self) -> Generator[Lines]:
        """As long as the block lasts."""
        ticking = threading.Thread(target=self._tick_on, name="progress in lines", daemon=True)
        ticking.start()
        try:
            yield self
        finally:
            self._over.set()
            ticking.join()

    def _tick_on(self) -> None:
        while not self._over.wait(AT_ONCE):
            self.tick(time.monotonic())


def display_on(console: Console, write: Callable[[Text], None]) -> Bars | Lines:
    """Bars where a person watches a terminal that can move its cursor."""
    is_watched = console.file.isatty() and not console.is_dumb_terminal
    return Bars(console, write) if is_watched else Lines(console, write)
