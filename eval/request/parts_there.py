"""Weights beside the parts that a base model and files have; cells that differ in nothing that acts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from base_models.kohya_names import part_of
from eval.request.cells import Cell, Use
from eval.request.spec import GridSpec
from foundation.errors import ConfigurationError
from loras.lora_file import open_lora
from loras.weights import PARTS, TEXT_PARTS, parts_set_by


def check_base_parts(spec: GridSpec, encoders: int, family: str) -> None:
    """Raise ConfigurationError for a weight that is said for a part which the base model lacks.

    `encoders`: how many text encoders it has; `family`: what it is called.
    """
    there = {"unet", *TEXT_PARTS[:encoders]}
    also = {word for entries in spec.lora.also_lists for entry in entries for word in entry.weights.said}
    for key, words in (("lora.weights", [*spec.lora.weights.said]), ("lora.also weights", sorted(also))):
        if lacking := [word for word in words if not there & set(parts_set_by(word))]:
            each = ", ".join(TEXT_PARTS[:encoders])
            holds = "unet and te" if encoders == 1 else f"unet, {each} and te for all of them"
            raise ConfigurationError(
                f"[{key}] {lacking[0]}: the base model is {family}, which has {holds}; leave it out"
            )


def same_cells_known(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, those that differ in parts alone which their files lack under one id: that of the first of them.

    Such rows are one cell, rendered once, and each is said to be the same as the others. Alone, a cell keeps the id of
    its own weights, so stores answer as before.
    """
    paths = {use.checkpoint.path for cell in cells for use in cell.uses}
    if len({cell.use.weights for cell in cells}) < 2:
        return list(cells)
    parts = {path: parts_of_file(path) for path in paths}
    first: dict[object, Cell] = {}
    return [_known(cell, first.setdefault(_what_acts(cell, parts), cell)) for cell in cells]


def parts_of_file(path: Path) -> frozenset[str]:
    """The parts of a model that a LoRA file has modules of, off its header. Raises LoraFileError."""
    with open_lora(path) as opened:
        return frozenset(map(part_of, opened.names))


def _what_acts(cell: Cell, parts: dict[Path, frozenset[str]]) -> object:
    def acting(use: Use) -> Iterable[tuple[str, float]]:
        there = parts[use.checkpoint.path]
        return ((part, weight) for part in PARTS if part in there and (weight := use.weights.on(part)))

    return (cell.dtype, *((use.checkpoint.content, moved) for use in cell.uses if (moved := tuple(acting(use)))))


def _known(cell: Cell, first: Cell) -> Cell:
    """The cell under the first one's id."""
    if cell is first or cell.id == first.id:
        return cell
    return replace(cell, same_as=first.id)
