"""What means of few pictures would be on other seeds: each drawn towards its like, by as much as luck explains.

The highest of many means had luck, so as it stands it is too high, and an interval around it misses the truth too
often. Empirical Bayes (Efron & Morris 1973, JASA 68:117; Morris 1983, JASA 78:47) estimates from the grid itself how
far rows truly differ, and takes the rest off. Rows may fall into groups (weights of 0.2 beside good ones), of which
each has its own spread: a mixture of up to three normals, as many as BIC pays for (Schwarz 1978). A row or two may
stand apart from all groups (the one checkpoint that works): they are like no other row, so what others are says nothing
of them. For that one more normal, wide and of a small share, stands beside the groups. Arrays only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from eval.statistics.intervals import SAME, Z_95, normal_changes, resampling, strata

MOST_GROUPS = 3
ROWS_A_GROUP = 6
ITERATIONS = 200
CONVERGED = 1e-6
HALVINGS = 50
LEAST_VARIANCE = 1e-14
# How far rows that are like no other lie from the rest, as an SD of cosines, and how many rows of a grid do so. Too few
# rows are no crowd to stand apart from.
APART = 0.15
ROWS_APART = 0.4
CROWD = 6
# How many times the variance of the error a row is taken off: simulated, this leaves as little luck where rows do not
# differ as it takes from the best row where they differ by an SD of 0.02.
LUCK_TAKEN_OFF = 1.05


@dataclass(frozen=True)
class ExpectedMeans:
    """What other seeds would show of C rows: `means` (C,) and their 95 % intervals (C, 2), NaN where unknown.

    `own` (C,): variances of what is not known of a row beside the level that all share. `draws` (C, B): rows' means
    as they may truly be, joined with what another draw of seeds makes of them; empty where nothing is known.
    """

    means: np.ndarray
    intervals: np.ndarray
    own: np.ndarray
    draws: np.ndarray

    def taken(self, rows: Sequence[int]) -> ExpectedMeans:
        """The same for rows named by their places, in that order; one may be named twice."""
        at = np.array(rows, dtype=int)
        return ExpectedMeans(self.means[at], self.intervals[at], self.own[at], self.draws[at])

    def differences_to(self, row: int) -> np.ndarray:
        """95 % intervals (C, 2) of each row's true mean minus that of `row`; 0 to 0 for the same cell."""
        half = Z_95 * np.sqrt(self.own + self.own[row])
        half[bool(self.draws.size) & (self.draws == self.draws[row]).all(1)] = 0.0
        difference = self.means - self.means[row]
        return np.stack([difference - half, difference + half], axis=1)

    def first_again(self, eligible: np.ndarray) -> np.ndarray:
        """In what share (C,) of other draws of seeds each `eligible` (C,) row comes first; NaN where unknown.

        Rows that are one cell come first together.
        """
        if not self.draws.size:
            return np.full(len(self.means), np.nan)
        drawn = np.where(eligible[:, None], self.draws, -np.inf)
        return (drawn >= drawn.max(0) - SAME).mean(1)


@dataclass(frozen=True)
class _Groups:
    """A fitted mixture of K normals, and last the wide one of rows that stand apart.

    Shares of rows `belongs` (C, K + 1), centres (K + 1,), variances of the error (K + 1,).
    """

    likelihood: float
    belongs: np.ndarray
    centres: np.ndarray
    errors: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """How many rows a centre is the mean of (K + 1,): those that stand apart have that of all."""
        return np.concatenate((_sizes(self.belongs[:, :-1]), np.array([len(self.belongs)])))

    @property
    def behind_centres(self) -> np.ndarray:
        """Each row's weight in each centre (C, K + 1)."""
        return np.column_stack([self.belongs[:, :-1], np.ones(len(self.belongs))]) / self.sizes

    @property
    def cost(self) -> float:
        """BIC: less is better."""
        return (3 * len(self.centres) - 4) * np.log(len(self.belongs)) - 2 * self.likelihood


def expected_means(values: np.ndarray, prompts: Sequence[str], seed: int = 0) -> ExpectedMeans:
    """The means of `values` (C, U) on other seeds of the `prompts` (U,). Rows must be different cells.

    With one unit nothing is known beyond the means.
    """
    rows = len(values)
    errors, freedom = _errors(values, prompts)
    if freedom <= 0:
        unknown = np.full((rows, 2), np.nan)
        return ExpectedMeans(values.mean(1), unknown, np.full(rows, np.nan), np.empty((rows, 0)))
    means = values.mean(1)
    groups = _grouped(means, errors)
    kept, spread = _kept(means, groups)
    within = groups.centres + kept * (means[:, None] - groups.centres)
    expected = (groups.belongs * within).sum(1)
    unsure = _unsure(means, groups, kept)
    own = (groups.belongs * (unsure + (within - expected[:, None]) ** 2)).sum(1)
    level = ((groups.belongs @ (groups.behind_centres.T @ errors)) ** 2).sum(1)
    away = _middle_95(groups.belongs, within, unsure) - expected[:, None]
    ends = expected[:, None] + np.sign(away) * np.hypot(
        away, float(scipy.special.stdtrit(freedom, 0.975)) * np.sqrt(level)[:, None]
    )
    draws = _draws(values, prompts, groups, within, spread, seed)
    return ExpectedMeans(expected, ends, own, draws)


def _errors(values: np.ndarray, prompts: Sequence[str]) -> tuple[np.ndarray, int]:
    """E (C, U), of which E @ E.T is the covariance of the rows' means over seeds (Rao & Wu's), and its freedom."""
    units, groups = values.shape[1], strata(prompts)
    errors = np.zeros(values.shape)
    for at in groups:
        part = values[:, at].astype(np.float64)
        errors[:, at] = (part - part.mean(1, keepdims=True)) * np.sqrt(len(at) / max(1, len(at) - 1)) / units
    return errors, units - len(groups)


def _grouped(means: np.ndarray, errors: np.ndarray) -> _Groups:
    """The cheapest of the mixtures that these rows can carry."""
    most = max(1, min(MOST_GROUPS, len(means) // ROWS_A_GROUP))
    fitted = [_fitted(means, errors, groups) for groups in range(1, most + 1)]
    sound = [one for one in fitted if len(one.centres) == 2 or one.sizes.min() >= ROWS_A_GROUP / 2]
    return min(sound, key=lambda one: one.cost)


def _fitted(means: np.ndarray, errors: np.ndarray, groups: int) -> _Groups:
    """A mixture of so many normals, from equal parts of the sorted means; then with the wide one beside them.

    In that order, since the wide one would take a small group for rows apart as long as no normal stands there.
    `errors` (C, U): as `_errors` gives them.
    """
    rows, squared = len(means), (errors**2).sum(1)
    of_all, centre = _error_variances(errors, squared, np.ones((rows, 1))), means.mean(keepdims=True)
    apart = _log_density(means, centre, APART**2 + of_all)
    belongs = np.full((rows, groups), 1 / groups)
    centres = np.quantile(means, (np.arange(groups) + 0.5) / groups)
    spreads = np.full(groups, max(LEAST_VARIANCE, float(means.var()) / groups**2))
    likelihood, wide = -np.inf, np.zeros(rows)
    variances, sizes = _error_variances(errors, squared, belongs), _sizes(belongs)
    every = np.empty((rows, groups + 1))
    for share in (0.0, ROWS_APART / rows) if rows >= CROWD else (0.0,):
        last = -np.inf
        every[:, -1] = apart + np.log(max(share, 1e-300))
        for _ in range(ITERATIONS):
            every[:, :-1] = _log_density(means[:, None], centres, variances + spreads)
            every[:, :-1] += np.log((1 - share) * sizes / sizes.sum())
            highest = every.max(1, keepdims=True)
            shares = np.exp(every - highest)
            summed = shares.sum(1, keepdims=True)
            shares /= summed
            likelihood = float((highest + np.log(summed)).sum())
            belongs, wide = shares[:, :-1], shares[:, -1]
            sizes = _sizes(belongs)
            variances = _error_variances(errors, squared, belongs)
            if likelihood - last < CONVERGED:
                break
            last = likelihood
            centres = means @ belongs / sizes
            distances = ((means[:, None] - centres) ** 2 * belongs).sum(0)
            spreads = np.maximum(0.0, distances / sizes - variances)
    both = np.concatenate((variances, of_all))
    return _Groups(likelihood, np.column_stack([belongs, wide]), np.concatenate((centres, centre)), both)


def _sizes(belongs: np.ndarray) -> np.ndarray:
    return np.maximum(belongs.sum(0), 1e-9)


def _normal_below(at: np.ndarray) -> np.ndarray:
    return np.asarray(scipy.special.ndtr(at))


def _log_density(at: np.ndarray, centre: np.ndarray | float, variance: np.ndarray | float) -> np.ndarray:
    """Of a normal."""
    variance = np.maximum(variance, LEAST_VARIANCE)
    return -0.5 * (np.log(2 * np.pi * variance) + (at - centre) ** 2 / variance)


def _error_variances(errors: np.ndarray, squared: np.ndarray, belongs: np.ndarray) -> np.ndarray:
    """How far the means of a group's rows are from its own mean by error alone (K,): errors that rows share cancel.

    `squared` (C,): the rows' own sums of squared errors. The covariance of all rows' errors, C x C, is never made:
    thousands of rows would be billions of products.
    """
    sizes = _sizes(belongs)
    of_mean = ((errors.T @ belongs) ** 2).sum(0) / sizes
    return np.maximum(0.0, squared @ belongs - of_mean) / np.maximum(sizes - 1, 0.5)


def _kept(means: np.ndarray, groups: _Groups) -> tuple[np.ndarray, np.ndarray]:
    """Which share (K,) of a row's distance to its group's centre is kept, and how far rows truly differ: variances."""
    squares = (groups.belongs * (means[:, None] - groups.centres) ** 2).sum(0)
    # The positive-part estimator takes off (rows - 3) times the error's variance. Truncated at 0 that leaves some of
    # the luck where rows do not differ at all; as many times as there are rows, and a little more, takes most of it.
    off = LUCK_TAKEN_OFF * groups.sizes * groups.errors
    kept = np.maximum(0.0, 1 - off / np.maximum(squares, LEAST_VARIANCE))
    kept[-1] = 1.0  # what the others are says nothing of a row that stands apart
    return kept, kept * groups.errors / np.maximum(1 - kept, 1e-9)


def _unsure(means: np.ndarray, groups: _Groups, kept: np.ndarray) -> np.ndarray:
    """The variance (C, K) of a row's true mean within a group: what is left open, the centre's, and that of `kept`."""
    away = (means[:, None] - groups.centres) ** 2
    of_kept = 2 / np.maximum(groups.sizes - 3, 1) * (1 - kept) ** 2 * away
    return kept * groups.errors + (1 - kept) * groups.errors / groups.sizes + of_kept


def _middle_95(belongs: np.ndarray, centres: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """The ends (C, 2) between which the middle 95 % of mixtures of normals (C, K + 1) lie, by bisection."""
    sds = np.sqrt(np.maximum(variances, LEAST_VARIANCE))
    below = np.array([0.025, 0.975])
    low = np.repeat((centres - 6 * sds).min(1)[:, None], 2, axis=1)
    high = np.repeat((centres + 6 * sds).max(1)[:, None], 2, axis=1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        shares = belongs[:, None, :] * _normal_below((middle[:, :, None] - centres[:, None, :]) / sds[:, None, :])
        under = shares.sum(2) < below
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return (low + high) / 2


def _draws(
    values: np.ndarray, prompts: Sequence[str], groups: _Groups, within: np.ndarray, spread: np.ndarray, seed: int
) -> np.ndarray:
    """Rows' true means as they may be, each with what fresh seeds make of it (C, B)."""
    # As wide as other seeds are, not as the intervals, which allow for what is not known of that width.
    fresh = values @ normal_changes(prompts).T * (Z_95 / resampling(prompts, 1).critical_value)
    rng = np.random.default_rng(seed)
    taken = (rng.random((*fresh.shape, 1)) > groups.belongs.cumsum(1)[:, None, :]).sum(2)
    taken = np.minimum(taken, within.shape[1] - 1)
    open_variance = spread * groups.errors / np.maximum(spread + groups.errors, LEAST_VARIANCE)
    rows = np.arange(len(values))[:, None]
    return within[rows, taken] + rng.normal(size=fresh.shape) * np.sqrt(open_variance)[taken] + fresh
