"""What a second, independent face model says of the same pictures, and where it disagrees; never mixed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.ranking.evidence import Evidence
from eval.ranking.scores import Scores
from eval.statistics.intervals import differences_to, intervals, resampling
from eval.wording.figure_texts import interval_text, percents, rounded
from foundation.wording.said import say


@dataclass(frozen=True)
class SecondModelFigures:
    """One cell by the second model, against its own references, floor and ceiling; None: not measured."""

    model: str
    identity: float
    identity_low: float | None
    identity_high: float | None
    identity_normalised: float | None
    face_rate: float

    def as_json(self) -> dict[str, object]:
        """What `second` holds in a row of `rank --json`."""
        figures = ("identity", "identity_low", "identity_high", "identity_normalised", "face_rate")
        return {"model": self.model, **{name: rounded(getattr(self, name)) for name in figures}}


@dataclass(frozen=True)
class SecondOpinion:
    """`by_cell` and `flags` have an entry for each cell; `about_best` is what concerns the first row alone."""

    by_cell: list[SecondModelFigures | None]
    flags: list[list[str]]
    about_best: list[str]


def second_opinion(
    evidence: Evidence, scores: Scores, seen: Scores | None, best: int, eligible: np.ndarray, names: Sequence[str]
) -> SecondOpinion | None:
    """The second model's figures and disagreements; None where there is no second model.

    `seen`: its scores, None where it sees no subject in the references. `best`: the first row's cell; `eligible` (C,):
    cells that break no more limits; `names` (C,): what to call cells.
    The cosines of two models are never compared, only what each says on its own scale: which of two cells is more
    alike, surely (all rows at once), and how far from floor to ceiling a cell is, where the 95 % intervals do not meet.
    """
    if evidence.second is None:
        return None
    model = evidence.second.face_model
    if seen is None:
        said = say(
            "the second face model {model} is not heard: it finds no face in the held-out references", model=model
        )
        return SecondOpinion([None for _ in names], [[said] for _ in names], [])
    resampled = resampling(scores.prompts)
    around = np.clip(intervals(seen.counted, resampled), -1.0, 1.0)
    own, other = (_normalised(one, intervals(one.counted, resampled)) for one in (scores, seen))
    opinions: list[SecondModelFigures | None] = [
        SecondModelFigures(
            model,
            float(seen.identity[at]),
            _known(around[at, 0]),
            _known(around[at, 1]),
            _known(seen.identity_normalised[at]),
            float(seen.face_rate[at]),
        )
        for at in range(len(names))
    ]
    apart = (own[:, 0] > other[:, 1]) | (own[:, 1] < other[:, 0])
    flags: list[list[str]] = [
        [
            say(
                "the second face model disagrees: {share} of the way, the first says {first}",
                share=_share(other[at]),
                first=_share(own[at]),
            )
        ]
        if apart[at]
        else []
        for at in range(len(names))
    ]
    return SecondOpinion(opinions, flags, _other_first(seen, best, eligible, names, model))


def _other_first(seen: Scores, best: int, eligible: np.ndarray, names: Sequence[str], model: str) -> list[str]:
    """The cell that the second model surely finds more alike than the winner, the one by most of them."""
    ahead = differences_to(best, seen.counted, resampling(seen.prompts), int(eligible.sum()) - 1)
    surely = eligible & (ahead[:, 0] > 0)
    if not surely.any():
        return []
    at = int(np.where(surely, ahead.mean(1), -np.inf).argmax())
    return [
        say(
            "the second face model {model} finds {row} more alike, by {value} of its own cosine (95 % {interval}, all "
            "rows at once)",
            model=model,
            row=names[at],
            value=f"{ahead[at].mean():+.3f}",
            interval=interval_text(ahead[at, 0], ahead[at, 1], "+.3f"),
        )
    ]


def _normalised(scores: Scores, interval: np.ndarray) -> np.ndarray:
    """Intervals (C, 2) from the floor (0) to the ceiling (1)."""
    return (interval - scores.floor) / scores.span


def _share(interval: np.ndarray) -> str:
    return say("{share} %", share=percents(interval[0], interval[1]))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
