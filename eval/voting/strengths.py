"""How good each cell is by the votes, and how sure that is: Bradley and Terry 1952 (Biometrika 39:324), ties for half.

A cell's strength is the logarithm of its odds to be preferred to a middling one. Each cell begins with some ties with
such a middling cell, so that one that was never beaten has a strength, too, and one that was never shown an interval.
How sure strengths are is drawn from what the votes leave open, by sampling importance resampling (Rubin 1988): the bell
curve around the likeliest strengths, which is too wide where a cell always won, is weighted by the likelihood itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import evalica
import numpy as np
from scipy import special

from eval.voting.vote import Vote
from foundation.typed.untyped import untyped

MIDDLING = ""  # the id of no cell
# Ties of each cell against a middling one: with 1 of them, few votes named the best too seldom (docs/log.md).
BEGINS_WITH = 4.0
PROPOSED, DRAWS = 16_000, 4_000
TAILS = 6  # degrees of freedom: the proposal reaches further than what it stands for
SEED = 20261127
SURE = 0.95
_WINNERS = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}


@dataclass(frozen=True)
class Strengths:
    """`cells` (C) with their likeliest `strength` (C,), 0 being a middling cell.

    `draws` (B, C): strengths that the votes leave open, each row as likely as any other.
    """

    cells: tuple[str, ...]
    strength: np.ndarray
    draws: np.ndarray

    @property
    def intervals(self) -> np.ndarray:
        """The 95 % interval (C, 2) of each strength."""
        return np.quantile(self.draws, [0.025, 0.975], axis=0).T

    @property
    def chance_to_be_best(self) -> np.ndarray:
        """(C,): in which share of the draws each is the first."""
        return np.bincount(self.draws.argmax(1), minlength=len(self.cells)) / len(self.draws)

    @property
    def named_best(self) -> tuple[str, ...]:
        """The fewest cells of which one is the best with a chance of 95 %, the likeliest first."""
        chances = self.chance_to_be_best
        order: list[int] = np.argsort(-chances, kind="stable").tolist()
        count = int((np.cumsum(chances[order]) < SURE).sum()) + 1
        return tuple(self.cells[at] for at in order[:count])

    def share_preferred(self, cell: str, other: str) -> float:
        """How often `cell` would be preferred to `other`, 0 to 1."""
        apart = self.strength[self.cells.index(cell)] - self.strength[self.cells.index(other)]
        return float(1 / (1 + np.exp(-apart)))


def strengths_of(cells: Sequence[str], votes: Sequence[Vote]) -> Strengths:
    """From the votes of which both cells are among `cells`, which are different ids."""
    at = {cell: place for place, cell in enumerate(cells)}
    counted = [vote for vote in votes if vote.pair.left in at and vote.pair.right in at]
    strength = _likeliest(cells, counted)
    return Strengths(tuple(cells), strength, _left_open(strength, _points(counted, at)))


def _likeliest(cells: Sequence[str], votes: Sequence[Vote]) -> np.ndarray:
    lefts = [*(vote.pair.left for vote in votes), *cells]
    rights = [*(vote.pair.right for vote in votes), *[MIDDLING] * len(cells)]
    winners = [*(_WINNERS[vote.outcome] for vote in votes), *[evalica.Winner.Draw] * len(cells)]
    weights = [1.0] * len(votes) + [BEGINS_WITH] * len(cells)
    fitted = untyped(evalica).bradley_terry(lefts, rights, winners, weights=weights, tolerance=1e-9, limit=10_000)
    scores: dict[str, float] = fitted.scores.to_dict()
    return np.log([scores[cell] for cell in cells]) - np.log(scores[MIDDLING])


def _points(votes: Sequence[Vote], at: Mapping[str, int]) -> np.ndarray:
    """(C, C): what each cell got of its votes against each other."""
    found = np.zeros((len(at), len(at)))
    for vote in votes:
        one, other = at[vote.pair.left], at[vote.pair.right]
        found[one, other] += vote.outcome
        found[other, one] += 1 - vote.outcome
    return found


def _left_open(strength: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(B, C): draws of the strengths, by Student's t around the likeliest, weighted by how likely each is."""
    rng = np.random.default_rng(SEED)
    root = np.linalg.cholesky(np.linalg.inv(_information(strength, points)))
    steps = rng.standard_normal((PROPOSED, len(strength)))
    wide = np.sqrt(TAILS / rng.chisquare(TAILS, PROPOSED))
    proposed = strength + (steps * wide[:, None]) @ root.T
    squares = (steps**2).sum(1) * wide**2
    density = -(TAILS + len(strength)) / 2 * np.log1p(squares / TAILS)
    likely = _log_likelihood(proposed, points) - density
    weights = np.exp(likely - likely.max())
    return proposed[rng.choice(PROPOSED, DRAWS, p=weights / weights.sum())]


def _log_likelihood(rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(B,) of strengths (B, C), the ties that each cell begins with among it."""
    found = BEGINS_WITH / 2 * (_log_odds(rows) + _log_odds(-rows)).sum(1)
    for one, other in zip(*np.nonzero(points), strict=True):
        found += points[one, other] * _log_odds(rows[:, one] - rows[:, other])
    return found


def _information(strength: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The Fisher information (C, C) at the likeliest strengths, whose inverse is the bell curve's covariance."""
    known = (points + points.T) * _variance(strength[:, None] - strength)
    return np.diag(BEGINS_WITH * _variance(strength) + known.sum(1)) - known


def _variance(apart: np.ndarray) -> np.ndarray:
    """Of one vote between two cells whose strengths are so far apart."""
    preferred = 1 / (1 + np.exp(-apart))
    return preferred * (1 - preferred)


def _log_odds(apart: np.ndarray) -> np.ndarray:
    """The logarithm of how often the one is preferred to the other."""
    found: np.ndarray = untyped(special).log_expit(apart)
    return found
