"""Readings of a store as arrays: of pictures by their ids, and of references by their hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from eval.store.tables import Reading

Readings = Mapping[str, Reading]


def vectors_of(readings: Readings, ids: np.ndarray) -> np.ndarray:
    """What a model found of `ids`: (*ids.shape, D) float32, NaN where it found nothing."""
    vectors = np.full((*ids.shape, _width(readings)), np.nan, dtype=np.float32)
    for place, one in np.ndenumerate(ids):
        found = readings.get(str(one))
        if found is not None and found.vector is not None:
            vectors[place] = found.vector
    return vectors


def counts_of(readings: Readings, ids: np.ndarray) -> np.ndarray:
    """How many of its kind a model found of each of `ids`, 0 where it has not read it."""

    def count(one: str) -> int:
        return readings[one].count if one in readings else 0

    return np.vectorize(count)(ids)


def vectors_found(readings: Readings, subjects: Sequence[str]) -> np.ndarray:
    """The vectors (N, D) of those of `subjects` in which the model found something."""
    vectors = [readings[one].vector for one in seen_in(readings, subjects)]
    return np.array(vectors, dtype=np.float32).reshape(-1, _width(readings))


def seen_in(readings: Readings, subjects: Sequence[str]) -> list[str]:
    """Those of `subjects` in which the model found something."""
    return [one for one in subjects if one in readings and readings[one].vector is not None]


def _width(readings: Readings) -> int:
    return next((len(one.vector) for one in readings.values() if one.vector is not None), 1)
