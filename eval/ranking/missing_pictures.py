"""Pictures that were gone before they were read: what of a grid can still be compared, in pairs, without them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GONE, NOT_IMPORTED = "gone or damaged before they were read", "not among what was imported, or damaged"
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
        left_out = f"{self.units} of {self.of_units} (prompt, seed) pairs and {self.rows} of {self.of_rows} rows"
        left_out += f" ({', '.join(self.names)})" if self.names else ""
        return f"{self.why}: {self.pictures} pictures, so {left_out} are left out; {self.again}"


def without_missing(gone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows (C,) and units (U,) stay, of what is gone, (1 + C, U) bool with the base model's pictures first.

    Cells are compared picture by picture, so no row that stays has lost a picture of a unit that stays.
    """
    rows = gone[1:].mean(1) < MOST
    return rows, ~(gone[0] | gone[1:][rows].any(0))
