"""Intervals: how far a score could move on other seeds, and how many pairs a claim would need. Arrays only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

RESAMPLES = 2000
SEED = 20240917
Z_95 = 1.959964
Z_POWER_80 = 0.841621
# Differences below this are rounding of float32 cosines, not evidence.
SAME = 1e-6


@dataclass(frozen=True)
class Resampling:
    """Bootstrap weights (B, U), each row a mean over U units; `freedom`: units minus strata."""

    weights: np.ndarray
    freedom: int

    @property
    def critical_value(self) -> float:
        """How many of the bootstrap's SDs a 95 % interval spans to either side; NaN without freedom."""
        return self.critical_value_of(1)

    def critical_value_of(self, comparisons: int) -> float:
        """The same for intervals of which so many hold at once (Bonferroni)."""
        return (
            float(scipy.special.stdtrit(self.freedom, 1 - 0.025 / max(1, comparisons)))
            if self.freedom > 0
            else math.nan
        )

    def means(self, values: np.ndarray) -> np.ndarray:
        """The means (C, B) of `values` (C, U) on every other draw of seeds."""
        return values @ self.weights.T


@dataclass(frozen=True)
class PairsNeeded:
    """How many (prompt, seed) pairs it takes to see `difference` between two cells whose difference has that SD."""

    difference: float
    sd: float
    pairs: int


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """The score interval of a share, which stays inside [0, 1] (Wilson 1927, JASA 22:209). No trials: (0, 1)."""
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def strata(prompts: Sequence[str]) -> list[np.ndarray]:
    """Indices of the units of each prompt. Prompts with one seed have no spread of their own: they form one stratum.

    A single one left over joins the smallest other stratum, so that no unit is held fixed.
    """
    names = np.array(prompts)
    groups = [np.flatnonzero(names == name) for name in dict.fromkeys(prompts)]
    lonely = [group for group in groups if len(group) == 1]
    several = [group for group in groups if len(group) > 1]
    if not lonely:
        return several
    pooled = np.concatenate(lonely)
    if len(pooled) == 1 and several:
        several.sort(key=len)
        return [np.concatenate([several[0], pooled]), *several[1:]]
    return [pooled, *several]


def resampling(prompts: Sequence[str], resamples: int = RESAMPLES, seed: int = SEED) -> Resampling:
    """Resample seeds within prompts (the prompts are the user's own and stay; the seeds could have been others).

    n - 1 of a stratum's n units are drawn and weighted by n / (n - 1), so that the variance is not n / (n - 1) times
    too small (Rao & Wu 1988, JASA 83:231): with two seeds a prompt the plain bootstrap would halve it. An interval
    reaches Student's t at U - strata degrees times the bootstrap's SD (Hesterberg 2015, Am. Stat. 69:371, "t interval
    with bootstrap standard error"): percentiles of so few units hold the truth in 77 to 94 % of cases, this in 95 %.
    """
    rng = np.random.default_rng(seed)
    units, groups = len(prompts), strata(prompts)
    weights = np.zeros((resamples, units))
    for group in groups:
        n = len(group)
        if n > 1:
            weights[:, group] = rng.multinomial(n - 1, np.full(n, 1 / n), size=resamples) * (n / (n - 1) / units)
    return Resampling(weights, units - len(groups))


def intervals(values: np.ndarray, resampled: Resampling, comparisons: int = 1) -> np.ndarray:
    """95 % intervals (C, 2) of the means of `values` (C, U). NaN when there is one unit, which tells nothing.

    `comparisons`: how many of them are to hold at once.
    """
    half = resampled.critical_value_of(comparisons) * resampled.means(values).std(1)
    mean = values.mean(1)
    return np.stack([mean - half, mean + half], axis=1)


def differences_to(best: int, values: np.ndarray, resampled: Resampling, comparisons: int = 1) -> np.ndarray:
    """95 % intervals (C, 2) of each row's mean minus row `best`'s, over the same units (paired)."""
    return intervals(values - values[best], resampled, comparisons)


def chance_half(unchanged: np.ndarray, prompts: Sequence[str], pictures: int) -> float:
    """Half the 95 % interval of a mean change of so many pictures that nothing has changed but their noise.

    By how far the base model's own figures, `unchanged` (N,) with their prompts (N,) and NaN where there is none,
    scatter around their prompt's mean; twice, for either side of the difference is a draw. It does not hang on what is
    judged by it. NaN where nothing tells how far they scatter.
    """
    seen = np.isfinite(unchanged)
    names = [prompt for prompt, known in zip(prompts, seen, strict=True) if known]
    freedom = len(names) - len(strata(names)) if names else 0
    if freedom <= 0 or pictures < 1:
        return math.nan
    sd = float(within_sd(unchanged[seen][None], names)[0])
    return float(scipy.special.stdtrit(freedom, 0.975)) * sd * math.sqrt(2 / pictures)


def normal_changes(prompts: Sequence[str], draws: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """What other seeds change in the means over U units: weights (B, U), normal, with the bootstrap's own covariance.

    Two seeds a prompt leave a bootstrap of P prompts 2^P draws, in which most rows are never first. Normal draws of the
    same covariance (Rao & Wu's, n / (n - 1) of a stratum's spread around its mean) are as many as are asked for. They
    reach as far as the intervals: Student's t over the normal's 1.96. NaN when there is one unit.
    """
    rng = np.random.default_rng(seed)
    groups = strata(prompts)
    weights = np.zeros((draws, len(prompts)))
    for group in groups:
        n = len(group)
        drawn = rng.normal(size=(draws, n))
        weights[:, group] = (drawn - drawn.mean(1, keepdims=True)) * math.sqrt(n / max(1, n - 1)) / len(prompts)
    return weights * (Resampling(weights, len(prompts) - len(groups)).critical_value / Z_95)


def contains_zero(interval: np.ndarray) -> np.ndarray:
    """Whether intervals (..., 2) hold 0. An unknown interval excludes nothing, so it does."""
    low, high = interval[..., 0], interval[..., 1]
    return ~((low > SAME) | (high < -SAME))


def within_sd(values: np.ndarray, prompts: Sequence[str]) -> np.ndarray:
    """The SD (C,) of `values` (C, U) around their prompt's mean, pooled over prompts; NaN with one unit."""
    groups = strata(prompts)
    freedom = values.shape[1] - len(groups)
    if freedom <= 0:
        return np.full(len(values), np.nan)
    squares = sum(((values[:, at] - values[:, at].mean(1, keepdims=True)) ** 2).sum(1) for at in groups)
    return np.sqrt(squares / freedom)


def pairs_needed(difference: float, sd: float) -> PairsNeeded:
    """Pairs needed to see `difference` at 95 % with 80 % power: ((1.96 + 0.84) * SD / difference)^2."""
    pairs = ((Z_95 + Z_POWER_80) * sd / difference) ** 2
    return PairsNeeded(difference, sd, max(2, math.ceil(pairs)))
