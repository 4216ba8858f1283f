"""Two things at once: something is made in a thread of its own, and worked on here while the next one is made."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
POLL = 0.1  # seconds after which a thread that waits looks whether it is still wanted


@dataclass(frozen=True)
class _End:
    """The last thing a maker hands over: why it stopped, or None where it was done."""

    error: BaseException | None


class _Prefetcher(Generic[Item]):
    def __init__(self, items: Iterable[Item], room: int) -> None:
        self._items = items
        self._handed: queue.Queue[Item | _End] = queue.Queue(room)
        self._unwanted = threading.Event()
        self._thread = threading.Thread(target=self._make, name="prefetched", daemon=True)
        self._thread.start()

    def __iter__(self) -> Generator[Item]:
        while not isinstance(item := self._handed.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    def stop(self) -> None:
        self._unwanted.set()
        self._thread.join()

    def _make(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                self._hand_over(item)
                if self._unwanted.is_set():
                    return
        except BaseException as raised:  # whatever it is, it belongs to who waits for the next item
            error = raised
        self._hand_over(_End(error))

    def _hand_over(self, item: Item | _End) -> None:
        while not self._unwanted.is_set():
            try:
                return self._handed.put(item, timeout=POLL)
            except queue.Full:
                continue


@contextmanager
def prefetched(items: Iterable[Item], room: int = 1) -> Generator[Iterable[Item]]:
    """Iterate over `items` while a thread makes the next; at most `room` made ones wait.

    What making one raises is raised here. When the block is left early, the item being made is the last.
    """
    maker = _Prefetcher(items, room)
    try:
        yield maker
    finally:
        maker.stop()
