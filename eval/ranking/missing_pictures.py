"""Pictures that were gone before they were read: what of a grid can still be compared, in pairs, without them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foundation.wording.said import Said, say

GONE = say("gone or damaged before they were read")
NOT_IMPORTED = say("not among what was imported, or damaged")
MOST = 0.5  # a row that has lost this share goes itself, or it would take its units from all the others


@dataclass(frozen=True)
class LeftOut:
    """Pictures that are gone, and the units and rows that are left out for them, of so many. `again`: the command that
    makes them again. `names`: what the rows are called; `why`: what became of the pictures."""

    pictures: int
    units: int
    of_units: int
    rows: int
    of_rows: int
    again: str
    names: tuple[str, ...] = ()
    why: str = GONE

    def __str__(self) -> str:
        return self.said

    @property
    def said(self) -> Said:
        """All of it in a sentence."""
        names = say(" ({names})", names=", ".join(self.names)) if self.names else ""
        return say(
            "{why}: {count} pictures, so {units} of {of_units} (prompt, seed) pairs and {rows} of {of_rows} "
            "rows{names} "
            "are left out; {again}",
            why=self.why,
            count=self.pictures,
            units=self.units,
            of_units=self.of_units,
            rows=self.rows,
            of_rows=self.of_rows,
            names=names,
            again=self.again,
        )


def without_missing(gone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows (C,) and units (U,) stay, of what is gone, (1 + C, U) bool with the base model's pictures first.

    Cells are compared picture by picture, so no row that stays has lost a picture of a unit that stays.
    """
    rows = gone[1:].mean(1) < MOST
    return rows, ~(gone[0] | gone[1:][rows].any(0))
