"""Renders batches on one base model: weights change only where the next batch needs others, texts are encoded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from base_models.base_model import load_base
from base_models.base_source import find_base
from base_models.drawing.batch_size import Fitting
from base_models.drawing.guidance import Guidance, PromptReader
from base_models.drawing.guided_unet import GuidedUnet
from base_models.drawing.render import render
from base_models.drawing.sampling import make_scheduler
from base_models.malloc_settings import keep_freed_memory
from eval.rendering.cell_lora import lora_of
from eval.rendering.patching import PatchedModel, check_fits
from eval.request.cells import Cell, Checkpoint, Sampling
from eval.request.plan import Batch, PlannedPicture
from eval.request.spec import ModelSection
from loras.blend import blend
from loras.lora_file import LoraModule, part_of, read_lora
from loras.weights import Weights

PRISTINE = ""  # the key of weights that no LoRA moves


class Renderer:
    """A base model on a device, and what it carries at the moment."""

    def __init__(self, model: ModelSection, sampling: Sampling, say: Callable[[str], None]) -> None:
        source, dtype = find_base(model.base, model.overrides), getattr(torch, model.dtype)
        self.base = load_base(source, dtype, model.device, model.memory)
        self.unet = GuidedUnet(self.base.unet)
        keep_freed_memory()
        make_scheduler(sampling.sampler, self.base.scheduler_config)  # refuses before anything is rendered
        self.sampling = sampling
        self._on_unet, self._on_text = PatchedModel(self.base), PatchedModel(self.base)
        self._unet_key = self._text_key = PRISTINE
        self._checkpoint = PRISTINE
        self._readers: dict[str, PromptReader] = {}
        self._encoded: dict[tuple[str, str], Guidance] = {}
        self._checked: set[str] = set()
        self._fitting = Fitting(self._render, say)

    def check(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Raise LoraFileError for a file that does not fit the base model, or BlendError for one that cannot act."""
        for checkpoint in checkpoints:
            if checkpoint.sha256 not in self._checked:
                check_fits(blend([(read_lora(checkpoint.path), Weights.of(1, 1))]), checkpoint.path, self.base)
                self._checked.add(checkpoint.sha256)

    def render(self, batch: Batch) -> np.ndarray:
        """The batch's pictures (N, H, W, 3), float32 in 0..1, NaN where not finite.

        Raises LoraFileError for a file that does not fit, NoMemoryLeftError where not one picture fits the memory.
        """
        if batch.checkpoint != self._checkpoint:
            self._readers, self._encoded, self._checkpoint = {}, {}, batch.checkpoint
        for picture in batch.pictures:
            if picture.cell:
                self.check(use.checkpoint for use in picture.cell.acting)
        return self._fitting(batch.pictures)

    def _render(self, pictures: Sequence[PlannedPicture]) -> np.ndarray:
        guidance = [self._guidance(picture.cell, picture.prompt) for picture in pictures]
        self._put_on_unet(pictures[0])
        sampling = replace(self.sampling, steps=pictures[0].steps or self.sampling.steps)
        return render(self.base, self.unet, sampling, guidance, [picture.seed for picture in pictures])

    def _guidance(self, cell: Cell | None, prompt: str) -> Guidance:
        """Each prompt is encoded once for each of a checkpoint's weights on the text encoders, alone."""
        key = cell.text_key if cell else PRISTINE
        if (key, prompt) not in self._encoded:
            if key != self._text_key:
                self._on_text.put_on(_modules_of(cell, unet=False))
                self._text_key = key
            reader = self._readers.setdefault(
                key, PromptReader(self.base, self.sampling.negative, self.sampling.clip_skip)
            )
            self._encoded[key, prompt] = reader.guidance(prompt)
        return self._encoded[key, prompt]

    def _put_on_unet(self, picture: PlannedPicture) -> None:
        if picture.unet_key != self._unet_key:
            self._on_unet.put_on(_modules_of(picture.cell, unet=True))
            self._unet_key = picture.unet_key


def _modules_of(cell: Cell | None, *, unet: bool) -> dict[str, LoraModule]:
    modules: Mapping[str, LoraModule] = lora_of(cell).modules if cell else {}
    return {name: module for name, module in modules.items() if (part_of(name) == "unet") == unet}
