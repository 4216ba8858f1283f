"""Drawing with the very model that is being trained, and leaving it as it was found."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from base_models.drawing.guidance import read_prompts
from base_models.drawing.render import render
from base_models.drawing.settings import DrawingSettings
from foundation.typed.typed_torch import fork_rng
from trainer.learning.batch_loss import TrainingSetup


def draw_on(
    setup: TrainingSetup, drawing: DrawingSettings, prompts: Sequence[str], seeds: Sequence[int], at_once: int
) -> np.ndarray:
    """Pictures (N, height, width, 3) float32 in 0..1, NaN where not finite, of the model with its adapters as they are.

    Computes in the type that training does. Modes, random numbers and where the VAE lies are as before afterwards.
    """
    base = setup.base
    autocast = torch.autocast(base.device.type, setup.dtype, enabled=setup.dtype != torch.float32)

    def predict(latents: Tensor, timestep: Tensor, text: Tensor, **added: object) -> Tensor:
        both = torch.cat([latents, latents]).to(base.device, setup.dtype, memory_format=torch.channels_last)
        with autocast:
            return base.unet(both, timestep, encoder_hidden_states=text, **added, return_dict=False)[0]  # pyright: ignore[reportArgumentType]

    devices = [base.device] if base.device.type == "cuda" else []
    with torch.no_grad(), fork_rng(devices), _as_evaluated(setup), _vae_at_hand(setup):
        with autocast:
            guidance = read_prompts(base, prompts, drawing.negative, drawing.clip_skip)
        lots = [slice(start, start + at_once) for start in range(0, len(prompts), at_once)]
        return np.concatenate([render(base, predict, drawing, guidance[lot], seeds[lot]) for lot in lots])


@contextmanager
def _as_evaluated(setup: TrainingSetup) -> Generator[None]:
    models = [cast(nn.Module, model) for model in (setup.base.unet, *setup.base.text_encoders)]
    training = [module for model in models for module in model.modules() if module.training]
    for model in models:
        model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _vae_at_hand(setup: TrainingSetup) -> Generator[None]:
    """The VAE waits on the CPU while training; it decodes where the UNet computes."""
    vae = cast(nn.Module, setup.base.vae)
    before = next(vae.parameters()).device
    vae.to(setup.base.device)
    try:
        yield
    finally:
        vae.to(before)
