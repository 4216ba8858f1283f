"""Two things at once: order, bounds, and whose error is whose."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from eval.rendering.prefetch import prefetched


def test_order_is_kept() -> None:
    with prefetched(range(50)) as items:
        assert list(items) == list(range(50))


def test_it_runs_ahead_by_what_there_is_room_for_and_no_more() -> None:
    made: list[int] = []
    blocked = threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if number == 3:
                blocked.set()
            yield number

    with prefetched(numbers(), room=1) as items:
        iterator = iter(items)
        assert next(iterator) == 0
        # 0 is here, 1 waits, 2 is made and has no room: 3 cannot have been begun.
        assert not blocked.wait(0.3)
        assert made[:2] == [0, 1]
        assert list(iterator) == list(range(1, 10))


def test_the_makers_error_is_raised_where_its_item_was_awaited() -> None:
    def faulty() -> Iterator[int]:
        yield 1
        raise ValueError("the second cannot be made")

    seen: list[int] = []
    with prefetched(faulty()) as items, pytest.raises(ValueError, match="the second cannot be made"):
        seen.extend(items)
    assert seen == [1]


def test_leaving_early_stops_the_maker() -> None:
    made: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            made.append(0)
            yield 0

    def save_one() -> None:
        with prefetched(endless()) as items:
            raise OSError(f"disk full at {next(iter(items))}")

    with pytest.raises(OSError, match="disk full"):
        save_one()
    count = len(made)
    assert not any(thread.name == "prefetched" and thread.is_alive() for thread in threading.enumerate())
    assert len(made) == count
