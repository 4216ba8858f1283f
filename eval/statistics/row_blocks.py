"""Figures of many rows, a few rows at a time: what is copied on the way is never of all of them.

Vectors of many pictures lie in a file without a name, mapped into memory: what was read of it is let go of again, so
that memory does not grow with their width (names and figures of all pictures are still held).
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable
from math import prod

import numpy as np

ROWS = 64
LARGE = 2**25  # bytes from which on rows lie in a file


def by_rows(figure: Callable[[slice], np.ndarray], of: np.ndarray) -> np.ndarray:
    """A figure (C, ...) of the C rows of an array, each of which hangs on its own row alone."""
    found: list[np.ndarray] = []
    for start in range(0, max(1, len(of)), ROWS):
        found.append(figure(slice(start, start + ROWS)))
        let_go(of)
    return np.concatenate(found)


def missing_rows(*shape: int) -> np.ndarray:
    """Room for vectors of that shape, float32, all NaN. A large one lies in a file, where the disk has room for it."""
    room = None if prod(shape) * 4 < LARGE else _in_a_file(shape)
    if room is None:
        return np.full(shape, np.nan, dtype=np.float32)
    for start in range(0, len(room), ROWS):
        room[start : start + ROWS] = np.nan
        let_go(room)
    return room


def let_go(rows: np.ndarray) -> None:
    """Of rows that lie in a file, keep none in this process's memory: they are read again when they are asked for."""
    mapped = getattr(rows, "_mmap", None)  # numpy gives no other name to what a view of a memmap is mapped by
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _in_a_file(shape: tuple[int, ...]) -> np.ndarray | None:
    """A file of the system's temporary folder, mapped; it is gone with the last array of it. None where there is no
    room: who writes to a mapped place that the disk lacks is killed."""
    if not hasattr(os, "posix_fallocate"):
        return None
    try:
        with tempfile.TemporaryFile() as file:
            os.posix_fallocate(file.fileno(), 0, prod(shape) * 4)
            return np.memmap(file, dtype=np.float32, mode="r+", shape=shape)
    except OSError:
        return None
