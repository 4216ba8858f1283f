"""The pictures of a grid with what was read from them, unit by unit. No Streamlit here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import SUBJECT
from eval.reporting.thumbnail import thumbnail
from eval.store.store import KeptPicture
from studio.languages.translation import tr
from studio.shared.stores import OpenedStore


@dataclass(frozen=True)
class Picture:
    """One picture: its file (None where there is none) and how alike it is to the subject, in words."""

    path: Path | None
    likeness: str


@dataclass(frozen=True)
class UnitRow:
    """The pictures of one (prompt, seed), one for each column of a comparison."""

    prompt: str
    seed: int
    pictures: list[Picture]


def median_picture(opened: OpenedStore, row: RankedCell) -> str | None:
    """The thumbnail of the subject picture nearest to the row's median likeness: neither its luckiest nor its worst.

    Looked up once for as long as the store stays open as it is; what was not there is looked for again.
    """
    try:
        return _known_median(opened, row.cell, row.checkpoint)
    except _NotThereError:
        return None


class _NotThereError(Exception):
    """There is no such picture now. (What ends so is not kept.)"""


@lru_cache(maxsize=4096)
def _known_median(opened: OpenedStore, cell: str, checkpoint: str) -> str:
    row = next(one for one in opened.rows if (one.cell, one.checkpoint) == (cell, checkpoint))
    found = _median_picture(opened, row)
    if found is None:
        raise _NotThereError
    return found


def _median_picture(opened: OpenedStore, row: RankedCell) -> str | None:
    units = opened.ranked.evidence.where(SUBJECT)
    likeness = opened.identity[opened.place_in_evidence(row), units]
    if np.isnan(likeness).all():
        return thumbnail(_kept(opened, row, int(units[0])))
    return thumbnail(_kept(opened, row, int(units[np.nanargmin(np.abs(likeness - np.nanmedian(likeness)))])))


def comparison(opened: OpenedStore, columns: Sequence[RankedCell | None], units: Sequence[int]) -> list[UnitRow]:
    """The pictures of `units`, a row each; a column None is the base model."""
    facts = opened.ranked.evidence.units
    return [
        UnitRow(facts[unit].prompt, facts[unit].seed, [_picture(opened, row, unit) for row in columns])
        for unit in units
    ]


def units_of_role(opened: OpenedStore, role: str) -> list[int]:
    """The indices of the units of `role`."""
    return [int(unit) for unit in opened.ranked.evidence.where(role)]


def evenly_spaced(units: Sequence[int], most: int) -> list[int]:
    """At most `most` of `units`, evenly taken: other prompts rather than other seeds of the first one."""
    places = np.linspace(0, len(units) - 1, min(most, len(units))).round().astype(int)
    return [units[place] for place in dict.fromkeys(places.tolist())]


def rival_of(opened: OpenedStore, row: RankedCell) -> RankedCell | None:
    """What to hold a row against: the best, or for the best itself the next row of other tensors."""
    return next((other for other in opened.rows if other.cell != row.cell), None)


def pairs_won(opened: OpenedStore, row: RankedCell, other: RankedCell) -> tuple[int, int]:
    """On how many subject units `row` is more alike than `other`, and out of how many."""
    at, against = opened.place_in_evidence(row), opened.place_in_evidence(other)
    difference = opened.scores.counted[at] - opened.scores.counted[against]
    return int((difference > 0).sum()), len(difference)


def _picture(opened: OpenedStore, row: RankedCell | None, unit: int) -> Picture:
    kept = _kept(opened, row, unit)
    if kept.fault:
        return Picture(None, tr(kept.fault))
    path = kept.path
    if row is None:
        return Picture(path, _in_words(opened, float(opened.identity_control[unit])))
    at = opened.place_in_evidence(row)
    failed = bool(opened.ranked.evidence.failed[at, unit])
    return Picture(path, tr("failed") if failed else _in_words(opened, float(opened.identity[at, unit])))


def _kept(opened: OpenedStore, row: RankedCell | None, unit: int) -> KeptPicture:
    grid = opened.ranked.grid
    shown = grid.beside(opened.cell(opened.rows[0]))
    return shown.picture(grid.cell(row.cell) if row else None, grid.snapshot.units[unit])


def _in_words(opened: OpenedStore, likeness: float) -> str:
    return tr(opened.words.lost_mark) if math.isnan(likeness) else f"{likeness:.2f}"
