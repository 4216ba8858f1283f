"""Pieces of work under way, and the line that each is shown by: pure, so that any width and any moment can be tried."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate

from rich.cells import cell_len
from rich.text import Text

SMALLEST_BAR, LARGEST_BAR = 8, 40
LATEST = 64  # changes that the speed is told from: a machine that became slow is soon seen to be
GAP = "  "


@dataclass
class Work:
    """A piece of work, begun at `began` seconds on some clock, of `total` parts; None: nobody knows how many.

    `unit` is what a part is called, where its time is to be told. `look` says how far it has come, where the work does
    not say so itself. `first` parts were done before it began.
    """

    title: str
    total: int | None
    began: float
    unit: str = ""
    first: int = 0
    look: Callable[[], tuple[int, tuple[str, ...]]] | None = None
    done: int = 0
    facts: tuple[str, ...] = ()
    _changes: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=LATEST))

    def __post_init__(self) -> None:
        self.done = self.first
        self._changes.append((self.began, self.first))

    def seen(self, now: float) -> None:
        """Take in how far it has come."""
        if self.look is not None:
            done, self.facts = self.look()
            self.come_to(done, now)

    def come_to(self, done: int, now: float) -> None:
        """So many parts are done at this moment; fewer than before where some are made again."""
        if done < self.done:
            self._changes.clear()
        if done != self.done or not self._changes:
            self.done = done
            self._changes.append((now, done))

    @property
    def is_finished(self) -> bool:
        return self.total is not None and self.done >= self.total

    def each(self) -> float | None:
        """Seconds a part, of late; None before the first is done."""
        (before, at_first), (last, at_last) = self._changes[0], self._changes[-1]
        return (last - before) / (at_last - at_first) if at_last > at_first else None

    def left(self, now: float) -> float | None:
        """Seconds that are left, None where it cannot be told."""
        each = self.each()
        if each is None or self.total is None:
            return None
        return max(0.0, (self.total - self.done) * each - (now - self._changes[-1][0]))


def clock(seconds: float) -> str:
    """`0:07`, `12:30`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def pieces_of(work: Work, now: float) -> list[str]:
    """What is told of a piece of work behind its title, most important first."""
    left, each = work.left(now), work.each()
    time = f"{clock(now - work.began)} so far" if left is None else f"{clock(left)} left"
    if work.total is None:
        return [time]
    speed = [f"{each:.2g} s/{work.unit}"] if work.unit and each is not None else []
    return [f"{work.done}/{work.total}", time, *work.facts[:1], *speed, *work.facts[1:]]


def plain_line(work: Work, now: float) -> str:
    """The line for what is no terminal."""
    return f"{work.title}: {', '.join(pieces_of(work, now))}"


def finished_line(work: Work, now: float) -> str:
    """What is said of it once it is done."""
    made = work.done - work.first
    counted = "" if work.total is None else f"{made} "
    speed = f", {(now - work.began) / made:.2g} s/{work.unit}" if work.unit and made > 0 else ""
    return f"{work.title}: {counted}in {clock(now - work.began)}{speed}"


def bar_line(work: Work, now: float, width: int) -> Text:
    """The line for a terminal of `width` characters, never longer: first the bar goes, then what matters least."""
    pieces = pieces_of(work, now)
    taken = list(accumulate((cell_len(GAP + one) for one in pieces), initial=cell_len(work.title)))
    fitting = [piece for piece, end in zip(pieces, taken[1:], strict=True) if end <= width]
    room = width - taken[len(fitting)] - len(GAP)
    line = Text(work.title, no_wrap=True, overflow="crop")
    if work.total is not None and room >= SMALLEST_BAR:
        line.append(GAP).append_text(_bar(work, min(room, LARGEST_BAR)))
    for number, piece in enumerate(fitting):
        line.append(GAP).append(piece, style="" if number < 2 else "cyan")
    line.truncate(width)
    return line


def _bar(work: Work, width: int) -> Text:
    """Thick for what is done, thin for the rest: it can be told without colours."""
    share = min(1.0, max(0.0, work.done / work.total)) if work.total else 1.0
    full = int(share * width)
    return Text.assemble(("━" * full, "green"), ("─" * (width - full), "dim"))
