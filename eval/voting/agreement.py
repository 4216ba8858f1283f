"""How far votes and scores agree: Spearman's rank correlation, with the interval that the votes leave open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from eval.voting.strengths import Strengths
from foundation.typed.untyped import untyped

FEWEST = 4  # cells: of three, an order is right by chance once in six


@dataclass(frozen=True)
class Agreement:
    """Rank correlation of strengths and scores over `cells` cells: 1 the same order, -1 the opposite; 95 % interval."""

    correlation: float
    low: float
    high: float
    cells: int

    @property
    def sentence(self) -> str:
        """What it means, and what to do."""
        figure = f"{self.correlation:+.2f} ({self.low:+.2f} to {self.high:+.2f}; 1 is the same order)"
        if self.low > 0:
            return f"Votes and scores order these {self.cells} cells alike: {figure}."
        if self.high < 0:
            return (
                f"Votes and scores order these {self.cells} cells the other way round: {figure}. Believe the eye, and "
                "look whether the scores' face model and references fit the subject."
            )
        return f"Whether votes and scores agree cannot be told yet: {figure}. More votes tell."


def agreement(strengths: Strengths, scores: Mapping[str, float]) -> Agreement | None:
    """Over the cells that have a score; None where these are fewer than four, or all alike."""
    at = [place for place, cell in enumerate(strengths.cells) if np.isfinite(scores.get(cell, np.nan))]
    own = np.array([scores[strengths.cells[place]] for place in at])
    if len(at) < FEWEST or np.ptp(own) == 0:
        return None
    drawn = _correlations(strengths.draws[:, at], own)
    found = float(_correlations(strengths.strength[None, at], own)[0])
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Agreement(found, min(found, float(low)), max(found, float(high)), len(at))


def by_both(strengths: Strengths, scores: Mapping[str, float]) -> list[str]:
    """The cells that have a score by the sum of their places in both orders, the better by votes first in a tie."""
    cells = [cell for cell in strengths.cells if np.isfinite(scores.get(cell, np.nan))]
    if not cells:
        return []
    strength = np.array([strengths.strength[strengths.cells.index(cell)] for cell in cells])
    places = _ranks(-strength) + _ranks(np.array([-scores[cell] for cell in cells]))
    return [cells[at] for at in np.lexsort((-strength, places))]


def _correlations(rows: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Spearman's of each row (B, C) with `own` (C,); 0 where a row is all alike."""
    one, other = _ranks(rows), _ranks(own)
    one, other = one - one.mean(1, keepdims=True), other - other.mean()
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other)
    return np.divide(one @ other, norms, out=np.zeros(len(rows)), where=norms > 0)


def _ranks(rows: np.ndarray) -> np.ndarray:
    """The place of each along the last axis, from 1; those that are alike share theirs."""
    found: np.ndarray = untyped(stats).rankdata(rows, axis=-1)
    return found
