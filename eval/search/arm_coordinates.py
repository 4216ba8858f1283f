"""Where cells lie beside one another, for reading the surface: epoch and weights, runs and blends far apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.request.cells import Cell
from eval.request.epochs.saved_when import run_called
from eval.request.epochs.training_order import positions
from loras.weights import PARTS

ALWAYS = ("unet", "te1", "te2")  # axes in every family; others have one where a cell sets them apart


def coordinates_of(cells: Sequence[Cell]) -> np.ndarray:
    """Coordinates (A, D). A file without a number is a run's last; each run and each blend has an axis of its own."""
    runs = [run_called(cell.use.checkpoint.name) for cell in cells]
    also = [" ".join(map(str, cell.also)) for cell in cells]
    along = positions([cell.use.checkpoint.trained for cell in cells])
    weights = [cell.use.weights for cell in cells]
    parts = [part for part in PARTS if part in ALWAYS or any(part in one.beyond for one in weights)]
    numbers = [(at, *(one.on(part) for part in parts)) for at, one in zip(along, weights, strict=True)]
    return np.hstack([np.array(numbers, dtype=float), _indicator_axes(runs), _indicator_axes(also)])


def _indicator_axes(names: Sequence[str]) -> np.ndarray:
    """An axis for each name but the first, 1 where it is that name: (A, names - 1)."""
    kinds = list(dict.fromkeys(names))
    return np.array([[float(name == kind) for kind in kinds[1:]] for name in names]).reshape(len(names), -1)
