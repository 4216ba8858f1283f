"""How each row stands beside the first: as good, worse, or not to be told yet. Arrays only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import scipy

from eval.statistics.intervals import SAME, Z_95, strata, within_sd

Standing = Literal["first", "as good", "worse", "cannot tell", "limit"]
ERROR = 0.05
POWER = 0.8
STEPS = 500
SURE_OF_SPREAD = 1e6
HALVINGS = 60
ASYMPTOTIC = 10.0


def standings(
    first: int, differences: np.ndarray, behind: np.ndarray, broken: np.ndarray, difference: float
) -> list[Standing]:
    """The word for each row.

    `differences` (C, 2): 95 % intervals of each row's true mean less that of row `first`, NaN where unknown. `behind`
    (C,): surely behind it. `broken` (C,): breaks a limit, which comes before all else. *As good* is a row whose
    interval lies above -`difference`, the least that matters, or that is the same cell. *Worse* is one that is surely
    behind and whose interval, which is shown beside the word, says so too.
    """
    close = differences[:, 0] >= -difference
    worse = behind & (differences[:, 1] < 0)
    found: list[Standing] = []
    for at in range(len(differences)):
        if broken[at]:
            found.append("limit")
        elif at == first:
            found.append("first")
        else:
            found.append("as good" if close[at] else "worse" if worse[at] else "cannot tell")
    return found


def surely_behind(first: int, values: np.ndarray, prompts: Sequence[str]) -> np.ndarray:
    """Which rows (C,) of `values` (C, U) have a lower true mean than row `first`, whichever row that is, 95 %.

    One-sided paired limits that hold for all rows at once, so that the truly best row is among the others in 95 % of
    grids, also where luck made another one first: multiple comparisons with the best (Hsu 1996), with Bonferroni's
    share of the error for each row. A pair's own variance hangs on few pictures; see `moderated`.
    """
    behind = values[first] - values
    freedom = values.shape[1] - len(strata(prompts))
    found = np.zeros(len(values), dtype=bool)
    others = np.array([at for at in range(len(values)) if np.abs(behind[at]).max() > SAME], dtype=int)
    if freedom <= 0 or not len(others):
        return found
    variances, total = moderated(within_sd(behind[others], prompts) ** 2, freedom)
    critical = float(scipy.special.stdtrit(total, 1 - ERROR / len(others)))
    found[others] = behind[others].mean(1) > critical * np.sqrt(variances / values.shape[1])
    return found


def pairs_to_settle(differences: np.ndarray, sds: np.ndarray, least: float) -> int:
    """After how many (prompt, seed) pairs each of N rows is told to be as good as the first, or worse, all in 80 %.

    `differences` (N, 2): the intervals of how far each is from the first, as far as is known now; `sds` (N,) that of a
    pair's difference. A row is near as good where it is hardly behind, near worse where it is more than `least` behind,
    and half of that is the hardest: what must be seen is the nearer of the two, as small as it may well be.
    """
    share = (1 - POWER) / 2 / len(sds)
    means, unsure = differences.mean(1)[:, None], np.maximum(np.ptp(differences, axis=1), SAME)[:, None] / (2 * Z_95)
    tried = least / 2 + np.linspace(0.0, 1.0, STEPS) * (np.abs(means) + least + 4 * unsure)
    smaller = scipy.special.ndtr((tried - least - means) / unsure) - scipy.special.ndtr((-tried - means) / unsure)
    seen = tried[np.arange(len(sds)), (smaller <= share).sum(1) - 1]
    critical = max(Z_95, float(scipy.special.ndtri(1 - ERROR / len(sds)))) + float(scipy.special.ndtri(1 - share))
    return max(2, math.ceil(float((critical * sds / seen).max() ** 2)))


def moderated(variances: np.ndarray, freedom: int) -> tuple[np.ndarray, float]:
    """Variances (N,) of `freedom` degrees each, drawn to what is common among them, and the degrees they then have.

    By how far they scatter beyond chance (Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3:3, eqs. 3 to 6): where all are
    alike they count as one, where they differ each keeps its own.
    """
    known = variances > SAME**2
    if known.sum() < 2:
        return variances, float(freedom)
    logs = np.log(variances[known]) - float(scipy.special.psi(freedom / 2)) + math.log(freedom / 2)
    prior = _degrees_of_spread(float(logs.var(ddof=1)) - _trigamma(freedom / 2))
    common = math.exp(float(logs.mean()) + float(scipy.special.psi(prior / 2)) - math.log(prior / 2))
    drawn = (prior * common + freedom * variances) / (prior + freedom)
    return drawn, prior + freedom


def _trigamma(value: float) -> float:
    """The second derivative of gamma's logarithm, by recurrence and asymptotic series (DLMF 5.15.5, 5.15.8)."""
    before = 0.0
    while value < ASYMPTOTIC:
        before += 1 / value**2
        value += 1
    return before + 1 / value + 1 / (2 * value**2) + 1 / (6 * value**3) - 1 / (30 * value**5) + 1 / (42 * value**7)


def _degrees_of_spread(beyond: float) -> float:
    """The degrees of freedom whose logarithm of a variance scatters by `beyond`: half of them solves trigamma's."""
    low, high = 1e-6, SURE_OF_SPREAD
    if beyond <= _trigamma(high / 2):
        return high
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _trigamma(middle / 2) > beyond else (low, middle)
    return high
