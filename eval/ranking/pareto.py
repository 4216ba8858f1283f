"""The Pareto front: rows that no other row beats in everything. It stands beside the order and does not change it."""

from __future__ import annotations

import numpy as np

from eval.ranking.scores import Scores
from eval.wording.figure_texts import JSON_DIGITS


def no_merit_below_zero(costs: np.ndarray) -> np.ndarray:
    """Costs (C,) as rows are compared by them: below 0 is chance, so it counts as 0."""
    return np.maximum(costs, 0.0)


def pareto_front(scores: Scores) -> np.ndarray:
    """Which cells (C,) are on the front of identity and prompt (more is better), bleed and copy (less is better).

    Off it is a cell that another one equals or beats in all four, and beats in one. Bleed or copy below 0 is chance and
    no merit, so it counts 0. A figure that no cell has is left out; one that a single cell lacks is its worst.
    """
    columns = [scores.identity, scores.prompt, -no_merit_below_zero(scores.bleed), -no_merit_below_zero(scores.copy)]
    # As many digits as are shown to programs: a row is not beaten by what nobody can see.
    goods = np.round(np.stack([column for column in columns if np.isfinite(column).any()], axis=1), JSON_DIGITS)
    goods = np.where(np.isfinite(goods), goods, -np.inf)
    return np.array([not ((goods >= own).all(1) & (goods > own).any(1)).any() for own in goods])
