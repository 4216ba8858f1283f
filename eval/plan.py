"""The plan of a grid: checkpoints x also x weights, the units each renders, and the batches that share weights.

A plan is a value: it can be counted, printed and tested without loading a model.
"""

from __future__ import annotations

import glob
import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from eval.cells import CONTROL, Cell, Checkpoint, Sampling, Use
from eval.evidence import Unit
from eval.prompts import Prompt, read_prompts, units_of
from eval.spec import AlsoEntry, GridSpec
from eval.weights import Weights
from trainer.base_folder import base_sha256, find_base
from trainer.errors import MissingFileError
from trainer.files import sha256_of
from trainer.lora_header import read_metadata


@dataclass(frozen=True)
class PlannedPicture:
    """A picture to render: `prompt` is the text itself (the control cell's has the class word in it)."""

    id: str
    prompt: str
    seed: int


@dataclass(frozen=True)
class Batch:
    """Pictures rendered together, by one cell; `cell` None is the base model."""

    cell: Cell | None
    pictures: tuple[PlannedPicture, ...]

    @property
    def cell_id(self) -> str:
        return self.cell.id if self.cell else CONTROL


@dataclass(frozen=True)
class Plan:
    """`cells` are the rows of the ranking (one file under two names: two rows, one id); `batches` the work."""

    sampling: Sampling
    prompts: dict[str, Prompt]
    units: list[Unit]
    cells: list[Cell]
    batches: list[Batch]

    @property
    def picture_count(self) -> int:
        return sum(len(batch.pictures) for batch in self.batches)

    def picture_id(self, cell: Cell | None, unit: Unit) -> str:
        prompt = self.prompts[unit.prompt]
        return self.sampling.picture_id(
            cell.id if cell else CONTROL, prompt.text if cell else prompt.class_text, unit.seed
        )


def make_plan(spec: GridSpec) -> Plan:
    """Work out the whole grid. Hashes files, loads no model.

    Raises MissingFileError, LoraFileError, BaseModelError or ConfigurationError.
    """
    prompts = read_prompts(spec.prompts)
    cells = _cells_of(spec)
    sampling = _sampling_of(spec)
    units = units_of(prompts, spec.prompts.seed_list)
    plan = Plan(sampling, {prompt.text: prompt for prompt in prompts}, units, cells, [])
    unique = {cell.id: cell for cell in sorted(cells, key=_cost_order)}
    batches = [batch for cell in (None, *unique.values()) for batch in _batches_of(plan, cell, spec.sampler.batch)]
    return Plan(sampling, plan.prompts, units, cells, batches)


def find_checkpoints(patterns: list[str]) -> list[Checkpoint]:
    """The files that `patterns` name, by epoch, then name. A path that exists is taken as it is, brackets and all."""
    paths: dict[Path, None] = {}
    for pattern in patterns:
        found = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))
        if not found:
            raise MissingFileError(f"{pattern}: no LoRA file matches; check the path in [lora] checkpoints")
        paths.update(dict.fromkeys(Path(path) for path in found))
    return sorted((_checkpoint(path) for path in paths), key=lambda one: (one.epoch or 0, one.name))


def _checkpoint(path: Path) -> Checkpoint:
    epoch = read_metadata(path).get("ss_epoch", "")
    return Checkpoint(path, path.stem, sha256_of(path), int(epoch) if epoch.isdigit() else None)


def _cells_of(spec: GridSpec) -> list[Cell]:
    checkpoints = find_checkpoints(spec.lora.checkpoints)
    cells = []
    for entry in spec.lora.also:
        others = entry if isinstance(entry, list) else [entry]
        also = tuple(_also_use(other) for other in others if other.file is not None)
        beside = checkpoints[-1:] if any(other.checkpoints == "last" for other in others) else checkpoints
        for checkpoint, te, unet in product(beside, spec.lora.te, spec.lora.unet):
            cells.append(Cell(Use(checkpoint, Weights.of(unet, te)), also, spec.lora.export_dtype))
    return cells


def _also_use(entry: AlsoEntry) -> Use:
    assert entry.file is not None
    return Use(_checkpoint(Path(entry.file)), Weights.of(entry.unet, entry.te))


def _sampling_of(spec: GridSpec) -> Sampling:
    folder = find_base(spec.model.base)
    size = _own_size(folder)
    return Sampling(
        base=base_sha256(folder),
        dtype=spec.model.dtype,
        sampler=spec.sampler.name,
        steps=spec.sampler.steps,
        cfg=spec.sampler.cfg,
        width=spec.sampler.width or size,
        height=spec.sampler.height or size,
        clip_skip=spec.sampler.clip_skip,
        negative=spec.prompts.negative,
    )


def _own_size(folder: Path) -> int:
    """The width the base model was trained at, in pixels: latents times the autoencoder's reduction."""
    unet, vae = (json.loads((folder / part / "config.json").read_text(encoding="utf-8")) for part in ("unet", "vae"))
    return int(unet["sample_size"]) * 2 ** (len(vae["block_out_channels"]) - 1)


def _cost_order(cell: Cell) -> tuple[str, str, float]:
    """Dearest change first: the file, then the text encoder's weight (prompts are encoded anew), then the UNet's."""
    return (cell.use.checkpoint.sha256, cell.text_key, cell.use.weights.unet)


def _batches_of(plan: Plan, cell: Cell | None, size: int) -> list[Batch]:
    pictures: dict[str, PlannedPicture] = {}
    for unit in plan.units:
        prompt = plan.prompts[unit.prompt]
        identity = plan.picture_id(cell, unit)
        pictures[identity] = PlannedPicture(identity, prompt.text if cell else prompt.class_text, unit.seed)
    listed = list(pictures.values())
    return [Batch(cell, tuple(listed[at : at + size])) for at in range(0, len(listed), size)]
