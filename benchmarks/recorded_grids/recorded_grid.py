"""A full grid whose scores were kept: one row a picture, in a Parquet file that says how it was made.

Columns: checkpoint, epoch, unet, te, prompt, seed, identity (null without a face), faces, failed, prompt_cosine. The
base model's own pictures are the rows of checkpoint "control". Parquet's metadata key `lora_studio` holds JSON.
`looks/` beside it has a file of the same name where pictures of fewer steps were recorded: `record_looks.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from base_models.vision.likeness import NO_OTHERS, at_the_floor, floors
from eval.request.cells import CONTROL
from foundation.errors import MissingFileError, UserError

ARM = ["checkpoint", "epoch", "unet", "te"]
UNIT = ["prompt", "seed"]
Arm = tuple[str, int, float, float]
METADATA = b"lora_studio"


class RecordError(UserError):
    """A file that is not the record of a grid."""


@dataclass(frozen=True)
class RecordedGrid:
    """`scores` (A, P, S): identity of each arm on each prompt with each seed, faceless and failed ones at the floor.

    `coordinates` (A, 3): epoch, UNet and TEnc weight. `left_out`: checkpoints of which pictures are missing.
    `looks`: steps to the same of pictures of so many, (A, P, S') of the first seeds alone.
    """

    name: str
    arms: list[str]
    coordinates: np.ndarray
    prompts: list[str]
    seeds: list[int]
    scores: np.ndarray
    left_out: list[str]
    facts: dict[str, object]
    looks: Mapping[int, np.ndarray] = field(default_factory=dict[int, np.ndarray])

    @property
    def files(self) -> list[float]:
        """Each arm's checkpoint, by its epoch."""
        return self.coordinates[:, 0].tolist()

    @property
    def pictures(self) -> int:
        return self.scores.size

    @property
    def units(self) -> int:
        """Of each arm."""
        return self.scores[0].size


def read_recorded(path: Path) -> RecordedGrid:
    """Read a record; of one that is still growing, the checkpoints that are whole.

    Raises MissingFileError, or RecordError where the file holds no whole checkpoint or has no control.
    """
    from pyarrow import ArrowInvalid, parquet

    if not path.is_file():
        raise MissingFileError(f"{path}: no such record of a grid")
    try:
        table = parquet.read_table(path)
    except ArrowInvalid as error:
        raise RecordError(f"{path}: not a Parquet file ({error})") from error
    missing = {*ARM, *UNIT, "identity", "failed"} - set(table.column_names)
    if missing:
        raise RecordError(f"{path}: has no column {', '.join(sorted(missing))}; record the grid again")
    columns: dict[str, list[Any]] = table.to_pydict()
    grid = _grid_of(path, columns, json.loads((table.schema.metadata or {}).get(METADATA, b"{}")))
    beside = path.parent / "looks" / path.name
    return replace(grid, looks=_looks(beside, grid.arms)) if beside.is_file() else grid


def _looks(path: Path, arms: list[str]) -> dict[int, np.ndarray]:
    """What pictures of fewer steps show, by steps; nothing where they are not recorded of all of these arms yet."""
    from pyarrow import parquet

    columns: dict[str, list[Any]] = parquet.read_table(path).to_pydict()
    taken = {int(name.rpartition("_")[2]): name for name in columns if name.startswith("identity_in_")}
    grids = {
        steps: _grid_of(path, {**columns, "identity": columns[name], "failed": [False] * len(columns[name])}, {})
        for steps, name in taken.items()
    }
    return {steps: one.scores for steps, one in grids.items() if one.arms == arms}


def _grid_of(path: Path, columns: dict[str, list[Any]], facts: dict[str, object]) -> RecordedGrid:
    arms = list(zip(*(columns[name] for name in ARM), strict=True))
    units = list(zip(*(columns[name] for name in UNIT), strict=True))
    seen = [
        math.nan if value is None or failed else float(value)
        for value, failed in zip(columns["identity"], columns["failed"], strict=True)
    ]
    found: dict[Arm, dict[tuple[Any, int], float]] = {}
    for arm, unit, value in zip(arms, units, seen, strict=True):
        found.setdefault(arm, {})[unit] = value
    control = next((met for arm, met in found.items() if arm[0] == CONTROL), {})
    if not control:
        raise RecordError(f"{path}: holds no picture of the base model (checkpoint `{CONTROL}`); record it first")
    tried = [arm for arm in found if arm[0] != CONTROL]
    partial = {arm[0] for arm in tried if found[arm].keys() != control.keys()}
    whole = sorted((arm for arm in tried if arm[0] not in partial), key=lambda arm: (arm[1], *arm))
    prompts, seeds = (list(dict.fromkeys(unit[at] for unit in control)) for at in (0, 1))
    order = list(product(prompts, seeds))
    if not whole or len(order) != len(control):
        raise RecordError(f"{path}: no checkpoint has all of the base model's {len(control)} (prompt, seed) pairs yet")
    floor = floors(np.array([control[unit] for unit in order]), NO_OTHERS)
    counted = at_the_floor(np.array([[found[arm][unit] for unit in order] for arm in whole]), floor)
    return RecordedGrid(
        path.stem,
        [f"{checkpoint} at unet={unet:g},te={te:g}" for checkpoint, _, unet, te in whole],
        np.array([arm[1:] for arm in whole], dtype=float),
        [str(prompt) for prompt in prompts],
        seeds,
        counted.reshape(len(whole), len(prompts), len(seeds)),
        sorted(partial),
        facts,
    )
