"""Figures of many rows, a few rows at a time: what is copied on the way is never of all of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

ROWS = 64


def by_rows(figure: Callable[[slice], np.ndarray], rows: int) -> np.ndarray:
    """A figure (C, ...) of C `rows`, each of which hangs on its own row alone."""
    return np.concatenate([figure(slice(start, start + ROWS)) for start in range(0, max(1, rows), ROWS)])
