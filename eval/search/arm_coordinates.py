"""Where cells lie beside one another, for reading the surface: epoch and weights, runs and blends far apart."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from eval.request.cells import Cell

EPOCH_IN_NAME = re.compile(r"[-_](epoch)?\d+$")


def coordinates_of(cells: Sequence[Cell]) -> np.ndarray:
    """Coordinates (A, D). A file without an epoch is a run's last; each run and each blend has an axis of its own."""
    runs = [EPOCH_IN_NAME.sub("", cell.use.checkpoint.name) for cell in cells]
    also = [" ".join(map(str, cell.also)) for cell in cells]
    last = max((cell.use.checkpoint.epoch or 0 for cell in cells), default=0) + 1
    numbers = [
        (last if at.epoch is None else at.epoch, weights.unet, weights.te1, weights.te2)
        for at, weights in ((cell.use.checkpoint, cell.use.weights) for cell in cells)
    ]
    return np.hstack([np.array(numbers, dtype=float), _indicator_axes(runs), _indicator_axes(also)])


def _indicator_axes(names: Sequence[str]) -> np.ndarray:
    """An axis for each name but the first, 1 where it is that name: (A, names - 1)."""
    kinds = list(dict.fromkeys(names))
    return np.array([[float(name == kind) for kind in kinds[1:]] for name in names]).reshape(len(names), -1)
