"""Rendering LoRA grids as users script it: a diffusers pipeline with every checkpoint loaded as an adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, EulerAncestralDiscreteScheduler
from PIL import Image

from eval.request.cells import Cell


@dataclass(frozen=True)
class Peer:
    """The pipeline, and how it draws: steps, the strength of guidance, the side of a picture (None: the model's)."""

    pipeline: Any
    steps: int
    cfg: float
    side: int | None = None

    @classmethod
    def of(
        cls,
        base: Path,
        loras: Sequence[Path],
        dtype: torch.dtype,
        *,
        steps: int,
        cfg: float,
        device: str = "cpu",
        side: int | None = None,
    ) -> Peer:
        """Load the base model and, as adapters, all of `loras`."""
        made: Any = DiffusionPipeline.from_pretrained(base, torch_dtype=dtype)
        made.scheduler = EulerAncestralDiscreteScheduler.from_config(made.scheduler.config, timestep_spacing="linspace")
        made.set_progress_bar_config(disable=True)
        made.to(device)
        for path in loras:
            made.load_lora_weights(path, adapter_name=name_of(path))
        return cls(made, steps, cfg, side)

    def choose(self, cell: Cell) -> None:
        """Its checkpoint at its weights, by `set_adapters`."""
        weights: dict[str, float] = {"unet": cell.use.weights.unet, "text_encoder": cell.use.weights.te1}
        if hasattr(self.pipeline, "text_encoder_2"):
            weights["text_encoder_2"] = cell.use.weights.te1
        self.pipeline.set_adapters([name_of(cell.use.checkpoint.path)], [weights])

    def fuse(self, cell: Cell) -> None:
        """Its checkpoint put into the weights."""
        self.choose(cell)
        self.pipeline.fuse_lora(adapter_names=[name_of(cell.use.checkpoint.path)])

    def unfuse(self) -> None:
        """The weights as they were, but for what rounding has left."""
        self.pipeline.unfuse_lora()

    def render(self, prompts: list[str], seeds: Sequence[int], folder: Path) -> np.ndarray:
        """(N, H, W, 3) uint8, each also saved as a PNG file."""
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        sides = {} if self.side is None else {"width": self.side, "height": self.side}
        pictures = self.pipeline(
            prompts,
            num_inference_steps=self.steps,
            guidance_scale=self.cfg,
            generator=generators,
            output_type="np",
            **sides,
        ).images
        levels = (pictures * 255).round().astype(np.uint8)
        for number, picture in enumerate(levels):
            Image.fromarray(picture).save(folder / f"{number}.png")
        return levels


def name_of(path: Path) -> str:
    """An adapter's name: PEFT takes no dots and no dashes kindly."""
    return path.stem.replace("-", "_").replace(".", "_")
