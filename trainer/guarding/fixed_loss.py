"""The loss on fixed pictures at fixed timesteps and noise: the same question at every epoch, so answers compare."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from math import isfinite
from random import Random
from statistics import fmean

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from trainer.learning.batch_loss import TrainingSetup, losses_at
from trainer.learning.lycoris_layers import LycorisLayer
from trainer.learning.noise import draw_noise

# Enough that a mean over them moves by training and not by chance: neither the noise nor the timesteps are ever drawn
# anew, so what is left is how much these pictures stand for the others.
PICTURES, TIMESTEPS = 8, 4


def fixed_choice(samples: Sequence[int], setup: TrainingSetup) -> list[int]:
    """PICTURES of `samples` at most, the same for the same seed, none of a broken latent."""
    usable = [sample for sample in samples if setup.inputs.latents[sample].isfinite().all()]
    return sorted(Random(f"{setup.seed}/fixed").sample(usable, min(PICTURES, len(usable))))


@torch.no_grad()
def fixed_loss(setup: TrainingSetup, samples: Sequence[int]) -> float | None:
    """The mean over `samples` at TIMESTEPS timesteps spread over those drawn; None without any, or not finite."""
    if not samples:
        return None
    low, high = setup.drawn_timesteps
    timesteps = torch.tensor([low + int((at + 0.5) * (high - low) / TIMESTEPS) for at in range(TIMESTEPS)])
    losses: list[float] = []
    for sample in samples:
        losses.append(_losses_of(setup, sample, timesteps).mean().item())
        if not isfinite(losses[-1]):
            return None
    return fmean(losses)


def _losses_of(setup: TrainingSetup, sample: int, timesteps: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(Random(f"{setup.seed}/fixed/{sample}").getrandbits(63))
    latents = setup.inputs.latents_of([sample] * len(timesteps))
    noise = draw_noise(latents, setup.noise, generator)
    return losses_at(setup, [sample] * len(timesteps), noise, timesteps)


@contextmanager
def adapters_off(models: Sequence[nn.Module]) -> Generator[None]:
    """The models as they were before adapters were put on them, as long as the block lasts."""
    kinds = (BaseTunerLayer, LycorisLayer)
    layers = [module for model in models for module in model.modules() if isinstance(module, kinds)]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
