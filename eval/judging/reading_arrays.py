"""Readings of a store as arrays: of pictures by their ids, and of references by their hashes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.statistics.row_blocks import let_go, missing_rows
from eval.store.tables import Reading

Readings = Mapping[str, Reading]
AT_ONCE = 1024  # readings after which vectors that lie in a file are written there


@dataclass(frozen=True)
class GridReadings:
    """What a model read of pictures, by their places in an array of ids, and of others, by subject.

    vectors (*ids.shape, D) float32, NaN where it found nothing; counts (*ids.shape): how many of its kind it found, 0
    where it has not read the picture; is_read (*ids.shape).
    """

    vectors: np.ndarray
    counts: np.ndarray
    is_read: np.ndarray
    others: dict[str, Reading]


def readings_in_place(rows: Iterable[tuple[str, Reading]], ids: np.ndarray, others: Collection[str]) -> GridReadings:
    """Put readings where their pictures are in `ids` as they come: no more of them is held than what is answered.

    `others`: the subjects beside, texts and references.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(ids.ravel().tolist()):
        places[one].append(place)
    counts, is_read = np.zeros(ids.size, dtype=int), np.zeros(ids.size, dtype=bool)
    vectors, wanted, beside = np.empty((0, 1), dtype=np.float32), frozenset(others), dict[str, Reading]()
    for number, (subject, reading) in enumerate(rows):
        at, vector = places.get(subject, []), reading.vector
        is_read[at], counts[at] = True, reading.count
        if vector is not None and not len(vectors):
            vectors = missing_rows(ids.size, len(vector))
        if vector is not None and at:
            vectors[at] = vector
        if subject in wanted:
            beside[subject] = reading
        if number % AT_ONCE == 0:
            let_go(vectors)
    let_go(vectors)
    if not len(vectors):
        vectors = np.full((ids.size, 1), np.nan, dtype=np.float32)
    placed = vectors.reshape(*ids.shape, vectors.shape[-1])
    return GridReadings(placed, counts.reshape(ids.shape), is_read.reshape(ids.shape), beside)


def vectors_of(readings: Readings, subjects: Sequence[str]) -> np.ndarray:
    """What a model found of `subjects`: (N, D) float32, NaN where it found nothing."""
    vectors = np.full((len(subjects), _width(readings)), np.nan, dtype=np.float32)
    for place, one in enumerate(subjects):
        found = readings.get(one)
        if found is not None and found.vector is not None:
            vectors[place] = found.vector
    return vectors


def vectors_found(readings: Readings, subjects: Sequence[str]) -> np.ndarray:
    """The vectors (N, D) of those of `subjects` in which the model found something."""
    vectors = [readings[one].vector for one in seen_in(readings, subjects)]
    return np.array(vectors, dtype=np.float32).reshape(-1, _width(readings))


def seen_in(readings: Readings, subjects: Sequence[str]) -> list[str]:
    """Those of `subjects` in which the model found something."""
    return [one for one in subjects if one in readings and readings[one].vector is not None]


def _width(readings: Readings) -> int:
    return next((len(one.vector) for one in readings.values() if one.vector is not None), 1)
