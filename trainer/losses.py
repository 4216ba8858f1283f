"""What a step learns from: noise, the noised latents, their target, and the loss of each sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor

from trainer.errors import BaseModelError

PREDICTIONS = ("epsilon", "v_prediction")


@dataclass(frozen=True)
class NoiseSchedule:
    """`kept` (T,): the share of the signal's variance left at each timestep (alpha bar); what the UNet answers."""

    kept: Tensor
    prediction: str


def noise_schedule(config: dict[str, object]) -> NoiseSchedule:
    """The base model's own noise schedule, whatever sampler its files name.

    Raises BaseModelError for a prediction type that training does not know.
    """
    schedule = cast(DDPMScheduler, DDPMScheduler.from_config(config))
    prediction = str(dict(schedule.config)["prediction_type"])
    if prediction not in PREDICTIONS:
        raise BaseModelError(f"the base model predicts `{prediction}`; only {' and '.join(PREDICTIONS)} can be trained")
    return NoiseSchedule(schedule.alphas_cumprod, prediction)


def draw_noise(shape: tuple[int, ...], noise_offset: float, generator: torch.Generator) -> Tensor:
    """Gaussian noise of `shape` (B, C, h, w), each channel shifted as a whole by `noise_offset` times another draw.

    kohya's noise + offset * randn(B, C, 1, 1), after Guttenberg 2023, "Diffusion with Offset Noise".
    """
    noise = torch.randn(shape, generator=generator)
    if noise_offset > 0:
        noise = noise + noise_offset * torch.randn((*shape[:2], 1, 1), generator=generator)
    return noise


def noised(schedule: NoiseSchedule, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """sqrt(kept) * latents + sqrt(1 - kept) * noise, each sample at its timestep (Ho et al. 2020, eq. 4)."""
    kept = schedule.kept[timesteps].view(-1, 1, 1, 1)
    return kept.sqrt() * latents + (1 - kept).sqrt() * noise


def target_of(schedule: NoiseSchedule, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """What the UNet should answer: the noise, or the velocity (Salimans & Ho 2022, appendix D)."""
    if schedule.prediction == "epsilon":
        return noise
    kept = schedule.kept[timesteps].view(-1, 1, 1, 1)
    return kept.sqrt() * noise - (1 - kept).sqrt() * latents


def sample_losses(predicted: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """(B,): each sample's mean squared error times its weight, in float32; the batch's loss is their mean (kohya)."""
    return (predicted.float() - target.float()).square().mean(dim=(1, 2, 3)) * weights
