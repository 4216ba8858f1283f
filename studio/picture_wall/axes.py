"""What pictures of a grid differ in, as axes: each may be the rows, the columns, or a chooser. No Streamlit here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from eval.judging.stored_grid import Grid, UnitRecord
from eval.request.cells import Cell
from eval.request.epochs.training_order import in_training_order
from loras.weights import ADAPTER, TEXT_PARTS
from studio.languages.translation import noted, tr
from studio.shared.stores import OpenedStore

# What a picture is known by, word by word: {"checkpoint": "hina-000004", "unet": "0.8", .., "seed": "7"}.
Place: TypeAlias = Mapping[str, str]
CHECKPOINT, UNET, WITH, DRAWN, PROMPT, SEED = "checkpoint", "unet", "with", "drawn with", "prompt", "seed"
OF_UNITS = PROMPT, SEED
NOTHING = noted("nothing")
# In English, as `Axes` knows them.
TITLES = {
    CHECKPOINT: noted("Checkpoint"),
    UNET: noted("UNet weight"),
    "te": noted("TEnc weight"),
    "te1": noted("TEnc 1 weight"),
    "te2": noted("TEnc 2 weight"),
    "te3": noted("TEnc 3 weight"),
    ADAPTER: noted("Adapter weight"),
    WITH: noted("Blended with"),
    DRAWN: noted("Base and sampler"),
    PROMPT: noted("Prompt"),
    SEED: noted("Seed"),
}
PAIRS, RANKED = noted("Prompt and seed"), noted("Row of the ranking")
# Those always have a chooser, whatever they vary over: one looks for them.
ALWAYS = CHECKPOINT, PROMPT, SEED


@dataclass(frozen=True)
class Step:
    """One place along an axis: what it is called, and what it says of a picture."""

    name: str
    says: dict[str, str]


@dataclass(frozen=True)
class Axis:
    """Something that varies. `sets`: the words of a place that its steps say."""

    title: str
    sets: tuple[str, ...]
    steps: Sequence[Step]

    @property
    def is_of_units(self) -> bool:
        """Whether it says which prompt or seed, rather than which cell."""
        return any(word in OF_UNITS for word in self.sets)

    def clashes(self, other: Axis) -> bool:
        """Whether both say the same of a picture, so that they cannot be rows and columns of one wall."""
        return bool({*self.sets} & {*other.sets})


@dataclass(frozen=True)
class Axes:
    """Those of a grid by title. `fixed`: what is the same for all pictures; `cells`: by what places say, in `words`."""

    by_title: Mapping[str, Axis]
    fixed: dict[str, str]
    cells: Mapping[tuple[str, ...], Cell]
    units: Mapping[tuple[str, str], UnitRecord]
    words: tuple[str, ...]

    def cell_at(self, place: Place) -> Cell | None:
        """The grid's cell at a place; None where it has none there."""
        return self.cells.get(tuple(place[word] for word in self.words))

    def unit_at(self, place: Place) -> UnitRecord | None:
        """The prompt and seed at a place; None where they were not drawn together."""
        return self.units.get((place[PROMPT], place[SEED]))

    def place_of(self, cell: Cell) -> Place:
        """What places say of a cell."""
        return self._places[id(cell)]

    @cached_property
    def _places(self) -> dict[int, Place]:
        return {id(cell): dict(zip(self.words, key, strict=True)) for key, cell in self.cells.items()}

    def left_open(self, *taken: Axis) -> list[Axis]:
        """The axes of one word each that `taken` say nothing of."""
        said = {word for axis in taken for word in axis.sets}
        return [one for one in self.by_title.values() if len(one.sets) == 1 and one.sets[0] not in said]


def axes_of(opened: OpenedStore) -> Axes:
    """The axes along which the pictures of a ranked grid differ; and prompts with seeds, and the ranking's rows, as
    one axis each."""
    grid = opened.ranked.grid
    parts = _parts_told(grid)
    said = [_said_of(grid, cell, parts) for cell in grid.cells]
    words = tuple(said[0])
    cells = {tuple(one.values()): cell for one, cell in zip(said, grid.cells, strict=True)}
    units = {(unit.prompt, str(unit.seed)): unit for unit in grid.snapshot.units}
    values = {word: _in_order(word, grid, [one[word] for one in said]) for word in words}
    values[PROMPT] = list(dict.fromkeys(prompt for prompt, _ in units))
    values[SEED] = sorted({seed for _, seed in units}, key=int)
    single = [_axis(word, several) for word, several in values.items() if len(several) > 1 or word in ALWAYS]
    combined = [Axis(PAIRS, OF_UNITS, [_pair(*pair) for pair in units]), _ranked(opened, cells, words)]
    fixed = {word: several[0] for word, several in values.items() if len(several) == 1}
    return Axes({axis.title: axis for axis in [*single, *combined]}, fixed, cells, units, words)


def _parts_told(grid: Grid) -> dict[str, str]:
    """Words for the weights of parts, and whose weight each is: one for all text encoders where no cell tells them
    apart, and none for an adapter that follows the denoiser."""
    used = [cell.use.weights for cell in grid.cells]
    alike = all(len({weights.on(part) for part in TEXT_PARTS}) == 1 for weights in used)
    texts = {"te": TEXT_PARTS[0]} if alike else {part: part for part in TEXT_PARTS}
    adapter = {ADAPTER: ADAPTER} if any(weights.adapter is not None for weights in used) else {}
    return {UNET: UNET, **texts, **adapter}


def _said_of(grid: Grid, cell: Cell, parts: Mapping[str, str]) -> dict[str, str]:
    """What places say of a cell."""
    return {
        CHECKPOINT: cell.use.checkpoint.name,
        **{word: f"{cell.use.weights.on(part):g}" for word, part in parts.items()},
        WITH: " + ".join(map(str, cell.also)) or NOTHING,
        DRAWN: str(grid.settings[cell.on]) if cell.on is not None else "",
    }


def _in_order(word: str, grid: Grid, values: Sequence[str]) -> list[str]:
    """Each value once: checkpoints as they were trained, weights by size, the others as the grid has them."""
    once = list(dict.fromkeys(values))
    if word in (WITH, DRAWN):
        return once
    if word == CHECKPOINT:
        known = in_training_order(grid.cells, lambda cell: cell.use.checkpoint.trained)
        return list(dict.fromkeys(cell.use.checkpoint.name for cell in known))
    return sorted(once, key=float)


def _axis(word: str, values: Sequence[str]) -> Axis:
    return Axis(TITLES[word], (word,), [Step(value, {word: value}) for value in values])


def _pair(prompt: str, seed: str) -> Step:
    return Step(tr("{prompt}, seed {seed}", prompt=prompt, seed=seed), {PROMPT: prompt, SEED: seed})


def _ranked(opened: OpenedStore, cells: Mapping[tuple[str, ...], Cell], words: tuple[str, ...]) -> Axis:
    keys = {(cell.id, cell.use.checkpoint.name): key for key, cell in cells.items()}
    steps = [
        Step(f"{row.place}. {row.name}", dict(zip(words, key, strict=True)))
        for row in opened.rows
        if (key := keys.get((row.cell, row.checkpoint)))
    ]
    return Axis(RANKED, words, steps)
