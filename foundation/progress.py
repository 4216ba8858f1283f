"""Progress with time left, on stderr. Code that works hands it numbers and knows nothing of the terminal."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PATIENCE = 2.0  # seconds before a bar appears for work that is mostly over at once
_Item = TypeVar("_Item")


class Advance(Protocol):
    """Called with how many more pieces of work are done."""

    def __call__(self, done: int, /) -> None: ...


class Reporter(Protocol):
    """Something that can show how far a piece of work has come, and say a line."""

    def task(self, title: str, total: int) -> Advance:
        """Begin a piece of work of `total` parts; what is returned is told how many more are done."""
        ...

    def say(self, line: str) -> None:
        """Show one line, above whatever shows progress."""
        ...


class Silent:
    """Shows nothing: for tests and for callers that are no terminal."""

    def task(self, title: str, total: int) -> Advance:
        """Progress that goes nowhere."""
        return lambda done: None

    def say(self, line: str) -> None:
        """Say nothing."""
        return None


class Terminal:
    """Rich bars on stderr."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def task(self, title: str, total: int) -> Advance:
        """A bar of its own, from 0 to `total`."""
        task = self._progress.add_task(title, total=total)
        return lambda done: self._progress.advance(task, done)

    def say(self, line: str) -> None:
        """A line above the bars; numbers and paths in it are not coloured."""
        self._progress.console.print(line, highlight=False)


@contextmanager
def terminal() -> Generator[Terminal]:
    """Bars that live as long as the block."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Terminal(progress)


def shown_if_slow(items: Sequence[_Item], title: str) -> Generator[_Item]:
    """The items one by one, with a bar from the moment that they have taken PATIENCE seconds together."""
    started = time.monotonic()
    with ExitStack() as stack:
        advance: Advance | None = None
        for done, item in enumerate(items):
            yield item
            if advance is not None:
                advance(1)
            elif time.monotonic() - started > PATIENCE and done + 1 < len(items):
                advance = stack.enter_context(terminal()).task(title, total=len(items))
                advance(done + 1)
