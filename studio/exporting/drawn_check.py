"""A written file drawn anew at weight 1, held against the pictures that were scored. No Streamlit here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from base_models.drawing.png import read_picture
from eval.exporting.exported import AS_SCORED, Exported
from eval.judging.stored_grid import UnitRecord
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import SUBJECT
from eval.request.spec import read_spec
from foundation.errors import UserError
from studio.languages.translation import tr, tr_many
from studio.previewing.wanted_pictures import WantedPicture
from studio.shared.pictures import evenly_spaced, units_of_role
from studio.shared.stores import OpenedStore

MOST_DRAWN = 3
ROUNDING = 1  # of 255 levels: batches of another size round otherwise


@dataclass(frozen=True)
class ToDraw:
    """One picture to draw, the scored one, and the base model's of the same prompt and seed."""

    wanted: WantedPicture
    scored: Path
    base: Path
    seed: int


@dataclass(frozen=True)
class Held:
    """How far a drawn picture is from the scored one, and that from the base model's; in levels of 255."""

    mean: float
    most: int
    lora: float


def spec_of_store(opened: OpenedStore, grids: Sequence[Path]) -> Path | None:
    """The specification whose store this is, and which draws as the store's first way does; None: there is none."""
    folder = opened.folder.resolve()
    return next((spec for spec in grids if spec.is_file() and _store_of(spec, _last_written(spec)) == folder), None)


def pictures_to_draw(opened: OpenedStore, row: RankedCell, written: Exported, spec: Path) -> list[ToDraw]:
    """A few of the subject's prompts, evenly taken, of those whose pictures are there."""
    cell, grid = opened.cell(row), opened.ranked.grid.beside(opened.cell(row))
    units = [grid.snapshot.units[at] for at in evenly_spaced(units_of_role(opened, SUBJECT), MOST_DRAWN)]
    found: list[ToDraw] = []
    for unit in units:
        scored, base = grid.picture(cell, unit), grid.picture(None, unit)
        if not (scored.fault or base.fault):
            wanted = _wanted(grid.asked(cell, unit), unit, written, spec, grid.sampling.steps)
            found.append(ToDraw(wanted, scored.path, base.path, unit.seed))
    return found


def held_against(drawn: Path, one: ToDraw) -> Held:
    """A drawn picture against the scored one. Pictures of two sizes have nothing in common."""
    mine, scored, base = (read_picture(path).astype(np.int16) for path in (drawn, one.scored, one.base))
    if mine.shape != scored.shape:
        return Held(255.0, 255, 0.0)
    apart = np.abs(mine - scored)
    return Held(float(apart.mean()), int(apart.max()), float(np.abs(base - scored).mean()))


def in_words(found: Sequence[Held], written: Exported) -> tuple[str, bool]:
    """What was seen and what to do, and whether the file draws what was scored."""
    most, mean = max(one.most for one in found), float(np.mean([one.mean for one in found]))
    lora = float(np.mean([one.lora for one in found]))
    if most <= ROUNDING:
        return tr_many(
            "Drawn anew from this file alone at weight 1: {count} picture is the scored one, to one level of 255. "
            "Use it.",
            "Drawn anew from this file alone at weight 1: {count} pictures are the scored ones, to one level of 255. "
            "Use it.",
            len(found),
        ), True
    said = tr(
        "Drawn anew at weight 1, its pictures differ from the scored ones by {mean} levels of 255 on average, by "
        "{most} at most; the LoRA itself changes them by {lora}.",
        mean=f"{mean:.2g}", most=most, lora=f"{lora:.2g}",
    )  # fmt: skip
    if mean <= AS_SCORED * lora:
        return f"{said} {tr('That is little: its scores hold.')}", True
    if written.error:
        return f"{said} {tr('That is what the smaller rank or type costs: keep more, or score it by a grid.')}", False
    return (
        f"{said} {tr('It does not draw what was scored: does {file} draw as the store was drawn?', file='grid.toml')}",
        False,
    )


def _wanted(prompt: str, unit: UnitRecord, written: Exported, spec: Path, steps: int) -> WantedPicture:
    part = f"{written.path}:unet=1,te=1"
    return WantedPicture(
        spec=str(spec), prompt=prompt, seed=unit.seed, steps=steps, parts=(part,), state=written.sha256
    )


def _last_written(path: Path) -> int:
    """In nanoseconds since 1970; 0 for what has vanished."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=256)
def _store_of(spec: Path, changed: int) -> Path | None:
    """`changed` is part of the key only."""
    try:
        return read_spec(spec).store.path.resolve()
    except (UserError, OSError):
        return None
