"""The pictures of a grid with what was read from them, unit by unit. No Streamlit here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from eval.judging.stored_grid import Grid
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import SUBJECT
from eval.reporting.thumbnail import thumbnail
from eval.store.store import KeptPicture
from studio.languages.translation import tr
from studio.shared.stores import OpenedStore

# Pixels of a picture in the ranking's table, which is sent whole with each click: shown at 70, on fine screens at 140.
TABLE_SIDE = 112


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


def median_pictures(opened: OpenedStore, rows: Sequence[RankedCell]) -> list[str | None]:
    """Of each row the thumbnail of the subject picture nearest to its median likeness: neither its luckiest nor its
    worst.

    Looked up once for as long as the store stays open as it is; what was not there is looked for again.
    """
    known = _TYPICAL.setdefault(opened, {})
    grid = _shown(opened)
    units = grid.snapshot.units
    wanted = {
        row.place: grid.picture_id(opened.cell(row), units[_median_unit(opened, row)])
        for row in rows
        if row.place not in known
    }
    kept = grid.store.kept_pictures(set(wanted.values()))
    for place, picture in wanted.items():
        if picture in kept and (shown := thumbnail(kept[picture], TABLE_SIDE)):
            known[place] = shown
    return [known.get(row.place) for row in rows]


# By place in the ranking.
_TYPICAL: WeakKeyDictionary[OpenedStore, dict[int, str]] = WeakKeyDictionary()


def _median_unit(opened: OpenedStore, row: RankedCell) -> int:
    units = opened.ranked.evidence.where(SUBJECT)
    likeness = opened.identity[opened.place_in_evidence(row), units]
    if np.isnan(likeness).all():
        return int(units[0])
    return int(units[np.nanargmin(np.abs(likeness - np.nanmedian(likeness)))])


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
    grid = _shown(opened)
    return grid.picture(grid.cell(row.cell) if row else None, grid.snapshot.units[unit])


def _shown(opened: OpenedStore) -> Grid:
    """The grid beside the base model as the first row was drawn."""
    return opened.ranked.grid.beside(opened.cell(opened.rows[0]))


def _in_words(opened: OpenedStore, likeness: float) -> str:
    return tr(opened.words.lost_mark) if math.isnan(likeness) else f"{likeness:.2f}"
