"""How far work has come, on stderr. Code that works hands it numbers and knows nothing of the terminal.

Nothing here is heavy: rich is imported when a command opens the terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from foundation.printing import as_printed, console_on, print_text, shown

if TYPE_CHECKING:
    from foundation.terminal.displays import Display
    from foundation.terminal.works import Work

_Item = TypeVar("_Item")


class Seen(NamedTuple):
    """How far a piece of work has come, and what is to be told beside it, the most important first."""

    done: int
    facts: tuple[str, ...] = ()


class Advance(Protocol):
    """Called with how many more pieces of work are done."""

    def __call__(self, done: int, /) -> None: ...


class Reporter(Protocol):
    """Something that can show how far a piece of work has come, and say a line."""

    def task(self, title: str, total: int) -> Advance:
        """Begin a piece of work of `total` parts; what is returned is told how many more are done."""
        ...

    def waiting(self, title: str) -> AbstractContextManager[None]:
        """A piece of work of one part, which lasts as long as the block."""
        ...

    def watched(self, title: str, total: int, unit: str, look: Callable[[], Seen]) -> AbstractContextManager[None]:
        """A piece of work that is looked at, a few times a second and from another thread, as long as the block lasts.

        `unit` is what a part is called.
        """
        ...

    def say(self, line: str) -> None:
        """Show one line, above whatever shows progress."""
        ...


class Silent:
    """Shows nothing: for tests and for callers that are no terminal."""

    def task(self, title: str, total: int) -> Advance:
        """Progress that goes nowhere."""
        return lambda done: None

    def waiting(self, title: str) -> AbstractContextManager[None]:
        """Wait without a word."""
        return nullcontext()

    def watched(self, title: str, total: int, unit: str, look: Callable[[], Seen]) -> AbstractContextManager[None]:
        """Look at nothing."""
        return nullcontext()

    def say(self, line: str) -> None:
        """Say nothing."""
        return None


class Terminal:
    """Shows on stderr, whatever it is: bars on a terminal, lines in a file."""

    def __init__(self, display: Display) -> None:
        self._display = display

    def task(self, title: str, total: int) -> Advance:
        """A bar of its own, from 0 to `total`, which goes when it is full."""
        work = _begun(title, total)
        if total:
            self._display.begin(work)

        def advance(done: int, /) -> None:
            work.come_to(work.done + done, time.monotonic())
            if work.is_finished:
                self._display.end(work)

        return advance

    @contextmanager
    def waiting(self, title: str) -> Generator[None]:
        """How long it has lasted, and a line of how long it took if that was long."""
        with self._shown(_begun(title, None)):
            yield

    @contextmanager
    def watched(self, title: str, total: int, unit: str, look: Callable[[], Seen]) -> Generator[None]:
        """A bar that moves by itself."""
        work = _begun(title, total, unit, look().done)
        work.look = look
        with self._shown(work):
            yield

    @contextmanager
    def _shown(self, work: Work) -> Generator[None]:
        self._display.begin(work)
        try:
            yield
        except BaseException:
            self._display.leave(work)
            raise
        work.seen(time.monotonic())
        self._display.end(work)

    def say(self, line: str) -> None:
        """A line above the bars, as it is: it is not searched for markup, figures or paths to colour."""
        self._display.print(as_printed(line))


_silent = Silent()
_open: list[Reporter] = []


def _begun(title: str, total: int | None, unit: str = "", first: int = 0) -> Work:
    from foundation.terminal.works import Work

    return Work(shown(title), total, time.monotonic(), unit, first)


@contextmanager
def terminal() -> Generator[Terminal]:
    """Progress on stderr that lives as long as the block; `at_hand` finds it."""
    import sys

    from foundation.terminal.displays import display_on

    console = console_on(sys.stderr)
    with display_on(console, lambda line: print_text(line, console)).opened() as display:
        reporter = Terminal(display)
        with heard_by(reporter):
            yield reporter


@contextmanager
def starting() -> Generator[None]:
    """Says so where what a command imports takes long: torch and its kin, cold, take half a minute."""
    with terminal() as reporter, reporter.waiting("starting"):
        yield


@contextmanager
def heard_by(reporter: Reporter) -> Generator[None]:
    """Make `reporter` the one at hand as long as the block lasts."""
    _open.append(reporter)
    try:
        yield
    finally:
        _open.pop()


def at_hand() -> Reporter:
    """The reporter of the command that runs, for work that lies too deep to be handed one; else nobody hears it."""
    return _open[-1] if _open else _silent


def counted(items: Iterable[_Item], title: str, total: int) -> Generator[_Item]:
    """The items one by one; the reporter at hand shows how many of `total` are done with."""
    advance = at_hand().task(title, total)
    for item in items:
        yield item
        advance(1)
