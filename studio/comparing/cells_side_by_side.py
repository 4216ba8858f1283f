"""A few cells beside each other and the base model, prompt by prompt and seed by seed, as a wall. No Streamlit here."""

from __future__ import annotations

from collections.abc import Sequence

from eval.ranking.ranked_cell import RankedCell
from studio.languages.translation import tr
from studio.picture_wall.axes import PROMPT, SEED, Axes, Step
from studio.picture_wall.wall import MOST_PICTURES, Hanging, Wall
from studio.shared.stores import OpenedStore


def pages_of(units: Sequence[int], columns: int) -> int:
    """How many pages these prompts and seeds make, MOST_PICTURES on each."""
    return -(-len(units) // _rows_a_page(columns))


def units_on_page(units: Sequence[int], columns: int, page: int) -> Sequence[int]:
    """Those of a page, counted from 0."""
    rows = _rows_a_page(columns)
    return units[page * rows : (page + 1) * rows]


def side_by_side(opened: OpenedStore, axes: Axes, rows: Sequence[RankedCell], units: Sequence[int]) -> Wall:
    """A column for each of `rows` and one for the base model; a line for each of `units`."""
    facts = opened.ranked.grid.snapshot.units
    steps = [
        Step(
            tr("{prompt}, seed {seed}", prompt=facts[at].prompt, seed=facts[at].seed),
            {PROMPT: facts[at].prompt, SEED: str(facts[at].seed)},
        )
        for at in units
    ]
    places = [axes.place_of(opened.cell(row)) for row in rows]
    hung = Hanging(opened, axes)
    controls = hung.controls(dict(places[0]), steps)
    tiles = [
        [*(hung.tile({**place, **step.says}) for place in places), control]
        for step, control in zip(steps, controls, strict=True)
    ]
    base = tr("Base model, “{class_word}” for the trigger", class_word=opened.ranked.grid.snapshot.class_word)
    return Wall([step.name for step in steps], [*(f"{row.place}. {row.name}" for row in rows), base], tiles)


def _rows_a_page(columns: int) -> int:
    return max(1, MOST_PICTURES // (columns + 1))
