"""Which cells are worth rendering: broken checkpoints, and those that do what another one does, are left out first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.request.cells import Cell, Checkpoint
from foundation.errors import UserError
from foundation.progress import Reporter
from loras.inspecting.compare_loras import SAME_NORM, CompareError, compare_loras
from loras.inspecting.inspect_lora import inspect_lora

# Verdicts of `eval inspect` that no weight of the grid mends.
HOPELESS = frozenset(["broken", "exploded", "vanished"])


class NothingToSearchError(UserError):
    """Cells of which none is worth rendering."""


@dataclass(frozen=True)
class Arms:
    """The cells to choose among, each once, and what was left out, in words.

    `duplicates`: rows of the grid that are an arm under another name: they share its id, its pictures and its place.
    """

    cells: list[Cell]
    duplicates: list[Cell]
    left_out: list[str]


def arms_of(cells: Sequence[Cell], reporter: Reporter) -> Arms:
    """Inspect every checkpoint, and hold each sound one against all sound ones before it.

    Raises NothingToSearchError.
    """
    checkpoints = list({cell.use.checkpoint.content: cell.use.checkpoint for cell in cells}.values())
    left_out: list[str] = []
    advance = reporter.task("inspecting LoRAs", len(checkpoints))
    sound: list[_SoundCheckpoint] = []
    for checkpoint in checkpoints:
        report = inspect_lora(checkpoint.path)
        if report.verdict.name in HOPELESS:
            left_out.append(f"{checkpoint.name}: {report.verdict.name}, {report.verdict.reason}")
        else:
            one = _SoundCheckpoint(checkpoint, report.contents and report.contents.total.norm)
            # The later one stays: what is asked for beside the last checkpoint (`also`) stays with it.
            same = [other for other in sound if _practically_the_same(other, one)]
            left_out += [f"{other.checkpoint.name}: practically the same as {checkpoint.name}" for other in same]
            sound = [*(other for other in sound if other not in same), one]
        advance(1)
    tried = {one.checkpoint.content for one in sound}
    listed = [cell for cell in cells if cell.use.checkpoint.content in tried]
    if not listed:
        raise NothingToSearchError("no checkpoint is worth rendering: " + "; ".join(left_out))
    kept: dict[str, Cell] = {}
    for cell in sorted(listed, key=lambda cell: bool(cell.use.checkpoint.same_as)):
        kept.setdefault(cell.id, cell)
    return Arms(list(kept.values()), [cell for cell in listed if cell is not kept[cell.id]], left_out)


@dataclass(frozen=True)
class _SoundCheckpoint:
    """A checkpoint that is worth rendering, and the norm of all it adds."""

    checkpoint: Checkpoint
    norm: float | None


def _practically_the_same(a: _SoundCheckpoint, b: _SoundCheckpoint) -> bool:
    """Whether rendering both tells nothing. Kinds that have no delta of their own count as different.

    Norms apart settle it at once: of a hundred checkpoints there are five thousand pairs.
    """
    if a.norm and b.norm and abs(b.norm / a.norm - 1) > 2 * SAME_NORM:
        return False
    try:
        return compare_loras(a.checkpoint.path, b.checkpoint.path).total.practically_the_same
    except CompareError:
        return False
