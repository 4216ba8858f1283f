"""Which cells are worth rendering: broken checkpoints, and those that do what another one does, are left out first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.cells import Cell, Checkpoint
from eval.loras.compare_loras import CompareError, compare_loras
from eval.loras.inspect_lora import inspect_lora
from trainer.errors import UserError
from trainer.progress import Reporter

# Verdicts of `eval inspect` that no weight of the grid mends.
HOPELESS = frozenset(["broken", "exploded", "vanished"])


class NothingToSearchError(UserError):
    """Cells of which none is worth rendering."""


@dataclass(frozen=True)
class Arms:
    """The cells to choose among, each once, and what was left out, in words."""

    cells: list[Cell]
    left_out: list[str]


def arms_of(cells: Sequence[Cell], reporter: Reporter) -> Arms:
    """Inspect every checkpoint, and hold each sound one against the sound one before it.

    Raises NothingToSearchError.
    """
    checkpoints = list({cell.use.checkpoint.sha256: cell.use.checkpoint for cell in cells}.values())
    names = {cell.use.checkpoint.path: cell.use.checkpoint for cell in cells}
    left_out = [
        f"{other.name}: the same file as {one.name}"
        for one in checkpoints
        for other in names.values()
        if other.sha256 == one.sha256 and other.path != one.path
    ]
    advance = reporter.task("inspecting LoRAs", len(checkpoints))
    sound: list[Checkpoint] = []
    for checkpoint in checkpoints:
        verdict = inspect_lora(checkpoint.path).verdict
        if verdict.name in HOPELESS:
            left_out.append(f"{checkpoint.name}: {verdict.name}, {verdict.reason}")
        else:
            # The later one stays: what is asked for beside the last checkpoint (`also`) stays with it.
            if sound and _same(sound[-1].path, checkpoint.path):
                left_out.append(f"{sound.pop().name}: practically the same as {checkpoint.name}")
            sound.append(checkpoint)
        advance(1)
    tried = {checkpoint.sha256 for checkpoint in sound}
    kept = {cell.id: cell for cell in cells if cell.use.checkpoint.sha256 in tried}
    if not kept:
        raise NothingToSearchError("no checkpoint is worth rendering: " + "; ".join(left_out))
    return Arms(list(kept.values()), left_out)


def _same(a: Path, b: Path) -> bool:
    """Whether rendering both tells nothing. Kinds that have no delta of their own count as different."""
    try:
        return compare_loras(a, b).total.practically_the_same
    except CompareError:
        return False
