"""The Pareto front: rows that no other row beats in everything. It stands beside the order and does not change it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.wording.figure_texts import JSON_DIGITS

AT_ONCE = 256  # rows that are held against all the others in one go


def pareto_front(merits: Sequence[np.ndarray], costs: Sequence[np.ndarray]) -> np.ndarray:
    """Which rows (C,) are on the front of merits (more is better) and costs (less is better), each (C,).

    Off it is a row that another one equals or beats in all, and beats in one. A cost below 0 is chance and no merit, so
    it counts 0. A figure that no row has is left out; one that a single row lacks is its worst.
    """
    columns = [*merits, *(-np.maximum(cost, 0.0) for cost in costs)]
    # As many digits as are shown to programs: a row is not beaten by what nobody can see.
    goods = np.round(np.stack([column for column in columns if np.isfinite(column).any()], axis=1), JSON_DIGITS)
    goods = np.where(np.isfinite(goods), goods, -np.inf)
    parts = np.array_split(goods, range(AT_ONCE, len(goods), AT_ONCE))
    return ~np.concatenate([_beaten(part, goods) for part in parts])


def _beaten(part: np.ndarray, goods: np.ndarray) -> np.ndarray:
    """Which rows of a part (P, figures) any of all (C, figures) beats."""
    no_worse = np.ones((len(part), len(goods)), dtype=bool)
    better = np.zeros_like(no_worse)
    for own, other in zip(part.T, goods.T, strict=True):
        no_worse &= other >= own[:, None]
        better |= other > own[:, None]
    return np.asarray((no_worse & better).any(1))
