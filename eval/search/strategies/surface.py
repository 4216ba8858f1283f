"""What neighbouring epochs and weights say of an arm: a Gaussian process over the arms' coordinates.

score[arm, unit] = level[unit] + hill(arm) + file(arm) + roughness(arm) + shared(arm, unit) + own(arm, unit): the hill
is smooth over the coordinates, and so is what one unit does to neighbouring arms, which err together. One file may be
better or worse as a whole than its neighbours, smoothly over its weights. Levels are projected out.

(Rasmussen & Williams 2006, "Gaussian Processes for Machine Learning", ch. 2 and 5.4.)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

GLANCE = 12  # units dealt out among the arms at first: two seeds of six prompts
NARROWING = 4  # rounds that fewer and fewer of many arms go through then
# Reaches as shares of a coordinate's range, and sizes as shares of the residual's variance: a coarse grid is enough,
# for an estimate hardly changes between neighbours in it.
REACHES = (0.4, 0.8)
HILLS, FILE, ROUGHNESS = (0.1, 0.5, 2.0), 0.5, 0.1
SHARED = 0.75
NOISELESS = 1e-8  # arms that do not differ at all leave nothing to divide by


@dataclass(frozen=True)
class Surface:
    """An estimate for `eval.search.strategies.halving`: the posterior mean of hill, file and roughness.

    `coordinates` (A, D); `files` (A,) says whose arm it is: those of one checkpoint have the same label.
    """

    coordinates: np.ndarray
    files: Sequence[Hashable]

    def __call__(self, scores: np.ndarray, arms: np.ndarray) -> np.ndarray:
        """Scores (A, U), NaN where an arm has not met a unit -> estimates (K,) of `arms`, on a common scale."""
        groups = _groups(scores)
        candidates = [found for reach in REACHES for found in self._posteriors(groups, scores, reach)]
        _, best = max(candidates, key=lambda pair: pair[0])
        return best[arms]

    def _posteriors(
        self, groups: Sequence[tuple[np.ndarray, np.ndarray]], scores: np.ndarray, reach: float
    ) -> Iterator[tuple[float, np.ndarray]]:
        """For each size of the hill the log marginal likelihood of seeing it so, and the posterior mean (A,) then."""
        alike = _kernel(self.coordinates, reach)
        variance = _residual_variance(groups, scores)
        rest = FILE * alike * _same(self.files) + ROUGHNESS * np.eye(len(alike))
        precision, weighted = np.zeros_like(alike), np.zeros(len(alike))
        likelihood = 0.0
        for arms, units in groups:
            noise = variance * (SHARED * alike[np.ix_(arms, arms)] + (1 - SHARED) * np.eye(len(arms)))
            seen = scores[np.ix_(arms, units)]
            projected = _without_level(noise)
            precision[np.ix_(arms, arms)] += len(units) * projected
            weighted[arms] += projected @ seen.sum(1)
            log_size = float(np.linalg.slogdet(noise)[1])
            likelihood -= 0.5 * (len(units) * log_size + float((seen * (projected @ seen)).sum()))
        for hill in HILLS:
            prior = variance * (hill * alike + rest)
            inner = np.eye(len(alike)) + prior @ precision
            mean = np.linalg.solve(inner, prior @ weighted)
            gain = 0.5 * float(weighted @ mean) - 0.5 * float(np.linalg.slogdet(inner)[1])
            yield likelihood + gain, mean


def _kernel(coordinates: np.ndarray, reach: float) -> np.ndarray:
    """How alike arms are (A, A), 1 for an arm and itself."""
    width = np.ptp(coordinates, axis=0)
    place = coordinates[:, width > 0] / width[width > 0]
    return np.exp(-0.5 * (((place[:, None] - place) / reach) ** 2).sum(-1))


def _same(files: Sequence[Hashable]) -> np.ndarray:
    """Which arms are of one file (A, A), 1 or 0."""
    kinds = {file: number for number, file in enumerate(dict.fromkeys(files))}
    numbers = np.array([kinds[file] for file in files])
    return (numbers[:, None] == numbers).astype(float)


def _groups(scores: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Units that the same arms have met, with those arms."""
    met = np.isfinite(scores)
    found: dict[bytes, list[int]] = {}
    for unit in range(scores.shape[1]):
        if met[:, unit].sum() > 1:
            found.setdefault(met[:, unit].tobytes(), []).append(unit)
    return [(np.flatnonzero(met[:, units[0]]), np.array(units)) for units in found.values()]


def _residual_variance(groups: Sequence[tuple[np.ndarray, np.ndarray]], scores: np.ndarray) -> float:
    squares, freedom = 0.0, 0
    for arms, units in groups:
        part = scores[np.ix_(arms, units)]
        left = part - part.mean(0)
        left = left - left.mean(1, keepdims=True) if len(units) > 1 else left
        squares += float((left**2).sum())
        freedom += (len(arms) - 1) * max(1, len(units) - 1)
    # Arms that have met no unit in common say nothing of one another.
    return max(squares / freedom, NOISELESS) if freedom else NOISELESS


def _without_level(noise: np.ndarray) -> np.ndarray:
    """The precision (K, K) of a unit's scores when its own level, the same for all arms, may be anything."""
    inverse = np.linalg.inv(noise)
    rows = inverse.sum(1)
    return inverse - np.outer(rows, rows) / rows.sum()
