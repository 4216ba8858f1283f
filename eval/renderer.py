"""Renders a plan's batches on one base model, changing weights only between cells."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from eval.attention import keep_text
from eval.blend import blend
from eval.cell_lora import lora_of
from eval.patching import PatchedModel, check_fits
from eval.plan import Batch, Plan, PlannedPicture
from eval.png import failure_of, parameters_text, save_picture
from eval.render import encode_prompts, render
from eval.spec import GridSpec
from eval.store import PictureRow, Store
from eval.weights import Weights
from trainer.base_model import load_base
from trainer.lora_file import read_lora
from trainer.progress import Reporter


class Renderer:
    """Renders batches in the plan's order, changing weights only between cells."""

    def __init__(self, spec: GridSpec, plan: Plan, store: Store) -> None:
        self.base = load_base(spec.model.base, getattr(torch, spec.model.dtype), spec.model.device)
        # Convolutions on a CPU, and in half precision on a GPU, are faster with channels last.
        nn.Module.to(self.base.unet, memory_format=torch.channels_last)
        keep_text(self.base.unet)
        self.plan, self.store = plan, store
        for checkpoint in {use.checkpoint.path: use.checkpoint for cell in plan.cells for use in cell.uses}.values():
            check_fits(blend([(read_lora(checkpoint.path), Weights.of(1, 1))]), checkpoint.path, self.base)
        self._patched = PatchedModel(self.base)
        self._cell_id: str | None = None
        self._text_key: str | None = None
        self._encoded: dict[str, Tensor] = {}

    def run(self, batches: list[Batch], reporter: Reporter) -> None:
        """Render `batches` and record each when its pictures are on the disk."""
        advance = reporter.task("rendering", sum(len(batch.pictures) for batch in batches))
        for batch in batches:
            self._put_on(batch)
            self._finish(batch)
            advance(len(batch.pictures))
        self._patched.take_off()

    def _put_on(self, batch: Batch) -> None:
        if batch.cell_id == self._cell_id:
            return
        self._patched.put_on(lora_of(batch.cell).modules if batch.cell else {})
        self._cell_id = batch.cell_id
        text_key = batch.cell.text_key if batch.cell else None
        if text_key != self._text_key:
            self._encoded, self._text_key = {}, text_key

    def _finish(self, batch: Batch) -> None:
        wanted = torch.cat([self._encode(picture.prompt) for picture in batch.pictures])
        seeds = [picture.seed for picture in batch.pictures]
        pictures = render(self.base, self.plan.sampling, wanted, self._encode(self.plan.sampling.negative), seeds)
        rows = []
        for planned, picture in zip(batch.pictures, pictures, strict=True):
            path = self.store.picture_path(planned.id)
            save_picture(picture, path, self._parameters(batch, planned))
            rows.append(_row(batch.cell_id, planned, failure_of(picture)))
        self.store.add_pictures(rows)

    def _encode(self, prompt: str) -> Tensor:
        if prompt not in self._encoded:
            self._encoded[prompt] = encode_prompts(self.base, [prompt], self.plan.sampling.clip_skip)
        return self._encoded[prompt]

    def _parameters(self, batch: Batch, planned: PlannedPicture) -> str:
        return parameters_text(self.plan.sampling, Path(self.base.name).stem, batch.cell, planned)


def _row(cell_id: str, planned: PlannedPicture, failure: str | None) -> PictureRow:
    return PictureRow(cell=cell_id, failure=failure, **asdict(planned))
