"""How many fresh pairs confirm: as many as the difference that matters takes, by how far pairs scatter alone.

Who leads is not looked at, so what is said of all pairs holds as if their number had been set before (two stages: Stein
1945, Annals of Mathematical Statistics 16:243).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from eval.search.strategies.halving import Measure
from eval.search.strategies.paired_bound import ERROR_RATE, residual_sd

FIRST_PAIRS = 16  # of which the scatter is read, rounded up to whole seeds


def pairs_wanted(scores: np.ndarray, prompts: Sequence[str], difference: float) -> float:
    """With so many pairs like those of (K, N) scores the best of K arms is known within `difference`, 95 %.

    As `eval.search.strategies.paired_bound.bound` says it, by the pooled scatter; infinity where too little is known.
    """
    sd, freedom = residual_sd(scores, prompts)
    if not freedom:
        return math.inf
    reach = float(stdtrit(freedom, 1 - ERROR_RATE / max(1, len(scores) - 1)))
    return 2 * (reach * sd / difference) ** 2


def enough_pairs(
    measure: Measure,
    shape: tuple[int, int],
    arms: np.ndarray,
    units: np.ndarray,
    prompts: Sequence[str],
    difference: float,
) -> np.ndarray:
    """Those of `units` (N,) that confirm: whole seeds, all of them at most. The first are measured for `arms` (K,).

    `prompts` (U,) are those of all units, `shape` (A, U) that of what `measure` is asked for.
    """
    each = len({prompts[int(unit)] for unit in units})
    first = units[: whole_seeds(FIRST_PAIRS, each)]
    wanted = np.zeros(shape, dtype=bool)
    wanted[np.ix_(arms, first)] = True
    scores = measure(wanted)[np.ix_(arms, first)]
    enough = pairs_wanted(scores, [prompts[int(unit)] for unit in first], difference)
    return units if enough >= len(units) else units[: max(len(first), whole_seeds(math.ceil(enough), each))]


def whole_seeds(pairs: int, prompts: int) -> int:
    """So many pairs, rounded up to whole seeds of all prompts."""
    return -(-pairs // prompts) * prompts
