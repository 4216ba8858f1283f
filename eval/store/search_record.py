"""What a search did, kept beside the snapshot of its finalists."""

from __future__ import annotations

from foundation.toml_config import Section


class RoundRecord(Section):
    """`arms` cells went in, `kept` came out; each had met `units` (prompt, seed) pairs, or one of them if `dealt`, or
    those of them from number `since` on."""

    arms: int
    units: int
    kept: int
    dealt: bool = False
    since: int = 0


class SearchRecord(Section):
    """`pictures` counts those of cells, `grid_pictures` what every cell on as many units as a finalist would take;
    `rendered` all that were made for it, those of other people and of the base model included. The same in UNet
    forwards (one evaluation of the UNet of one picture at one step, with its guidance pair) are `forwards`,
    `grid_forwards` and `rendered_forwards`; 0 in records of before they were counted. `rendered_seconds`: of wall time,
    scoring included. `look_forwards`: cells were chosen by pictures of so many forwards; 0: by finished ones.

    `within`: with 95 % confidence the `recommended` cell, the first row of the ranking, is that close to the best
    finalist that breaks no more limits, and if it `raced`, `certified` to the best such cell of all (None: it was not
    in the race, or was chosen by other scores since). `out_of_budget`: the search ended before its time. `left_out`:
    checkpoints that were not tried, with the reason. `refined` cells of weights between the grid's were tried, and the
    best `joined` of them are among the finalists, last.
    """

    arms: int
    rounds: list[RoundRecord]
    finalists: list[str]
    recommended: str = ""
    confirm_units: int
    pictures: int
    rendered: int = 0
    grid_pictures: int
    forwards: int = 0
    rendered_forwards: int = 0
    rendered_seconds: float = 0.0
    grid_forwards: int = 0
    look_forwards: int = 0
    within: float
    raced: bool = False
    certified: float | None = None
    out_of_budget: bool = False
    left_out: list[str]
    refined: int = 0
    joined: int = 0
    rescored: bool = False
