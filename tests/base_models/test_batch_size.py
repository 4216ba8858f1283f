"""Memory: a batch that does not fit is halved, once for all; what is planned depends on request and device alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from base_models.drawing.batch_size import DeviceFacts, Fitting, NoMemoryLeftError, PictureShape, batch_size

SD15 = PictureShape((64, 64), 320, 128, 8, 2)
FAILURES: list[Callable[[], Exception]] = [
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    MemoryError,
    lambda: RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
]


class Memory:
    """A renderer on a device that holds `room` pictures: each picture shows its item's number."""

    def __init__(self, room: int, failure: Callable[[], Exception] = MemoryError) -> None:
        self.room, self.failure = room, failure
        self.sizes: list[int] = []

    def render(self, items: Sequence[int]) -> np.ndarray:
        self.sizes.append(len(items))
        if len(items) > self.room:
            raise self.failure()
        return np.array(items, dtype=np.float32).reshape(-1, 1, 1, 1)


@pytest.mark.parametrize("failure", FAILURES)
def test_out_of_memory_halves_and_goes_on(failure: Callable[[], Exception]) -> None:
    memory, said = Memory(3, failure), list[str]()
    fitting = Fitting(memory.render, said.append)
    assert fitting(range(8)).ravel().tolist() == list(range(8))
    assert memory.sizes == [8, 4, 2, 2, 2, 2]
    assert len(said) == 2
    assert fitting(range(4)).ravel().tolist() == list(range(4))
    assert memory.sizes[6:] == [2, 2]
    assert len(said) == 2


@settings(max_examples=12)
@given(count=st.integers(1, 40), room=st.integers(1, 40))
def test_every_picture_comes_out_once_and_in_order(count: int, room: int) -> None:
    assert Fitting(Memory(room).render, lambda line: None)(range(count)).ravel().tolist() == list(range(count))


def test_no_room_for_one_picture_is_one_clear_message() -> None:
    with pytest.raises(NoMemoryLeftError, match="does not hold one picture"):
        Fitting(Memory(0).render, lambda line: None)(range(5))


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="shapes do not match"):
        Fitting(Memory(0, lambda: RuntimeError("shapes do not match")).render, lambda line: None)(range(5))


@given(memory=st.integers(1, 200 * 2**30), more=st.integers(0, 2**36))
def test_the_planned_size_grows_with_memory_and_fits_it(memory: int, more: int) -> None:
    sizes = [batch_size("auto", SD15, DeviceFacts("cuda", "a GPU", one)) for one in (memory, memory + more)]
    assert 1 <= sizes[0] <= sizes[1] <= 32
    assert sizes[0] == 1 or sizes[0] * SD15.bytes_needed <= memory


def test_a_size_that_was_asked_for_is_taken() -> None:
    assert batch_size(7, SD15, DeviceFacts("cpu", "a CPU", 1)) == 7


def test_a_card_of_6_gb_takes_some_and_a_large_one_what_keeps_it_busy() -> None:
    assert 2 <= batch_size("auto", SD15, DeviceFacts("cuda", "small", 6 * 2**30)) <= 8
    assert batch_size("auto", SD15, DeviceFacts("cuda", "large", 80 * 2**30)) == 32
