"""What an import shows: the table of rows, prompts and seeds, and everything that is not of it, with the reason."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eval.importing.import_plan import PlannedImport
from eval.importing.imported_grid import ImportedGrid, Subject
from eval.importing.written_import import Written, control_remarks
from foundation.printing import console_on, how_many
from foundation.terminal_tables import Row, TableColumn, table_lines

if TYPE_CHECKING:
    from rich.text import Text

MOST_NAMED = 5
MOST_REASONS = 12


def plan_lines(planned: PlannedImport, subject: Subject) -> Iterator[str | Text]:
    """The whole of a plan, for a person."""
    grid = planned.grid
    yield from _table(planned)
    prompts, seeds = len({unit.prompt for unit in grid.units}), len({unit.seed for unit in grid.units})
    yield (
        f"{how_many(len(grid.cells), 'row')} x {how_many(len(grid.units), 'unit')} "
        f"({how_many(prompts, 'prompt')}, {how_many(seeds, 'seed')}): {how_many(len(grid.places), 'picture')}"
    )
    for prompt in dict.fromkeys(unit.prompt for unit in grid.units):
        yield f"  {grid.prompts[prompt].role}: {prompt}"
    yield from control_remarks(grid, subject.trigger, subject.class_word)
    yield from problems(planned)


def problems(planned: PlannedImport, damaged: Mapping[str, str] | None = None) -> Iterator[str]:
    """All that is not in the grid, and what is missing of it."""
    grid = planned.grid
    for row, units in grid.lacking.items():
        named = ", ".join(f"“{unit.prompt}” seed {unit.seed}" for unit in units[:2])
        more = f" and {len(units) - 2} more" if len(units) > 2 else ""
        yield f"missing of {row}: {how_many(len(units), 'picture')} ({named}{more}); rows are compared without these"
    for name, why in planned.doubts.items():
        yield f"LoRA {name}: {why}"
    if absent := absent_loras(planned):
        yield f"no file is found of {_named(absent)}: ranked without it, not exported; name its folder by --loras"
    yield from _reasons("not understood", planned.collected.unclear)
    yield from _reasons("left out", planned.left_out)
    yield from _reasons("damaged", damaged or {})
    if planned.unused_rows:
        yield f"in the manifest and not among the pictures: {_named(planned.unused_rows)}"


def absent_loras(planned: PlannedImport) -> list[str]:
    """The LoRAs of rows whose files are not here."""
    paths = {str(use.checkpoint.path): use.checkpoint.name for cell in planned.grid.cells for use in cell.uses}
    return [name for path, name in paths.items() if path not in planned.loras.found]


def done_lines(planned: PlannedImport, written: Written, store: Path, subject: Subject) -> Iterator[str]:
    """What was done, what is missing, and what to do next."""
    grid = planned.grid
    yield (
        f"{how_many(len(grid.cells), 'row')}, {how_many(len(grid.places), 'picture')}: {written.new} new, "
        f"{len(grid.places) - written.new - len(written.damaged)} were there, {written.failed} show nothing."
    )
    yield from control_remarks(grid, subject.trigger, subject.class_word)
    yield from problems(planned, written.damaged)
    yield f"Next: python -m eval rank {shlex.quote(str(store))}"


def plan_json(planned: PlannedImport) -> dict[str, object]:
    """The same for programs."""
    grid = planned.grid
    return {
        "cells": [
            {"cell": cell.id, "checkpoint": cell.use.checkpoint.name, "weights": str(cell.use.weights),
             "also": [str(use) for use in cell.also], "pictures": _count(grid, at)}
            for at, cell in enumerate(grid.cells)
        ],
        "units": [{"prompt": unit.prompt, "seed": unit.seed, "role": unit.role} for unit in grid.units],
        "pictures": len(grid.places),
        "control": grid.control,
        "control_shown_the_trigger": grid.stand_ins,
        "missing": {row: len(units) for row, units in grid.lacking.items()},
        "not_understood": [{"picture": one, "why": why} for one, why in planned.collected.unclear.items()],
        "left_out": [{"picture": one, "why": why} for one, why in planned.left_out.items()],
        "loras_not_found": absent_loras(planned),
        "doubts": dict(planned.doubts),
        "manifest_rows_without_picture": list(planned.unused_rows),
    }  # fmt: skip


def done_json(planned: PlannedImport, written: Written, store: Path) -> dict[str, object]:
    """What was done, for programs."""
    damaged = [{"picture": one, "why": why} for one, why in written.damaged.items()]
    done = {"store": str(store), "new": written.new, "failed": written.failed, "damaged": damaged}
    return plan_json(planned) | done


def _table(planned: PlannedImport) -> list[Text]:
    grid = planned.grid
    cells = grid.cells
    names = [" + ".join([cell.use.checkpoint.name, *(str(use) for use in cell.also)]) for cell in cells]
    columns = [
        TableColumn("row", [str(at) for at in range(1, len(cells) + 1)], is_right=True, leads=True),
        TableColumn("LoRA", names, is_name=True),
        TableColumn("UNet", [f"{cell.use.weights.unet:g}" for cell in cells], is_right=True),
        TableColumn("TEnc", [f"{cell.use.weights.te1:g}" for cell in cells], is_right=True),
        TableColumn(
            "pictures", [f"{_count(grid, at)} of {len(grid.units)}" for at in range(len(cells))], is_right=True
        ),
    ]
    return table_lines(columns, [Row() for _ in cells], console_on().width)


def _count(grid: ImportedGrid, at: int) -> int:
    cell = grid.cells[at]
    return sum(grid.sampling.picture_id(cell.id, unit.prompt, unit.seed) in grid.places for unit in grid.units)


def _reasons(title: str, reasons: Mapping[str, str]) -> Iterator[str]:
    """A line a reason, the commonest first, with the first pictures of it."""
    counted = Counter(reasons.values())
    for why, count in counted.most_common(MOST_REASONS):
        places = [place for place, one in reasons.items() if one == why]
        yield f"{title}, {how_many(count, 'picture')}: {why} ({_named(places)})"
    if len(counted) > MOST_REASONS:
        rest = sum(count for _, count in counted.most_common()[MOST_REASONS:])
        yield f"{title}, {how_many(rest, 'picture')} for other reasons: --json names each"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
