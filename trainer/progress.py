"""Progress with time left, on stderr. Code that works hands it numbers and knows nothing of the terminal."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Advance(Protocol):
    """Called with how many more pieces of work are done."""

    def __call__(self, done: int, /) -> None: ...


class Reporter(Protocol):
    """Something that can show how far a piece of work has come, and say a line."""

    def task(self, title: str, total: int) -> Advance: ...

    def say(self, line: str) -> None: ...


class Silent:
    """Shows nothing: for tests and for callers that are no terminal."""

    def task(self, title: str, total: int) -> Advance:
        return lambda done: None

    def say(self, line: str) -> None:
        return None


class Terminal:
    """Rich bars on stderr."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def task(self, title: str, total: int) -> Advance:
        task = self._progress.add_task(title, total=total)
        return lambda done: self._progress.advance(task, done)

    def say(self, line: str) -> None:
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
