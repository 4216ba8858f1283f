"""The Pareto front: rows that no other row beats in everything. It stands beside the order and does not change it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.wording.figure_texts import JSON_DIGITS


def pareto_front(merits: Sequence[np.ndarray], costs: Sequence[np.ndarray]) -> np.ndarray:
    """Which rows (C,) are on the front of merits (more is better) and costs (less is better), each (C,).

    Off it is a row that another one equals or beats in all, and beats in one. A cost below 0 is chance and no merit, so
    it counts 0. A figure that no row has is left out; one that a single row lacks is its worst.
    """
    columns = [*merits, *(-np.maximum(cost, 0.0) for cost in costs)]
    # As many digits as are shown to programs: a row is not beaten by what nobody can see.
    goods = np.round(np.stack([column for column in columns if np.isfinite(column).any()], axis=1), JSON_DIGITS)
    goods = np.where(np.isfinite(goods), goods, -np.inf)
    return np.array([not ((goods >= own).all(1) & (goods > own).any(1)).any() for own in goods])
