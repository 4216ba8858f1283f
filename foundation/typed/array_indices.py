"""Numbers of rows as Python's own: what a list holds at them has the list's type, not any."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def indices_in(array: np.ndarray) -> list[int]:
    """The integers of (N,), in order."""
    return array.tolist()


def pairs_in(array: np.ndarray) -> list[tuple[int, int]]:
    """The integers of (N, 2), as of `np.argwhere` of a matrix: row and column."""
    pairs: list[list[int]] = array.tolist()
    return [(row, column) for row, column in pairs]
