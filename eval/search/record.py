"""What a search did, kept beside the snapshot of its finalists."""

from __future__ import annotations

from trainer.toml_config import Section


class RoundRecord(Section):
    """`arms` cells went in, `kept` came out; each had met `units` (prompt, seed) pairs, or one of them if `dealt`."""

    arms: int
    units: int
    kept: int
    dealt: bool = False


class SearchRecord(Section):
    """`pictures` counts those of cells, `grid_pictures` what every cell on as many units as a finalist would take.

    `within`: with 95 % confidence the first finalist is that close to the best of them, `certified` to the best of all
    cells (None: not asked for). `left_out`: checkpoints that were not tried, with the reason. `refined` cells of
    weights between the grid's were tried, and the best `joined` of them are among the finalists, last.
    """

    arms: int
    rounds: list[RoundRecord]
    finalists: list[str]
    confirm_units: int
    pictures: int
    grid_pictures: int
    within: float
    certified: float | None = None
    left_out: list[str]
    refined: int = 0
    joined: int = 0
    rescored: bool = False
