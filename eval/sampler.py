"""Samplers. A picture's noise comes from its own generator on the CPU, so it does not depend on its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import EulerAncestralDiscreteScheduler
from torch import Tensor

# (noisy latents (N, 4, h, w), timestep) -> predicted noise, guidance included
Denoiser = Callable[[Tensor, Tensor], Tensor]


@torch.no_grad()
def sample_euler_ancestral(
    denoise: Denoiser,
    shape: tuple[int, int, int],
    seeds: Sequence[int],
    steps: int,
    schedule: dict[str, object],
    device: torch.device,
) -> Tensor:
    """Latents (N, *shape) after `steps` of Euler a, timesteps spaced linearly over 0..999 as k-diffusion and A1111 do.

    `schedule` is the base model's scheduler configuration (betas, prediction type). Noise as diffusers draws it with
    one generator a picture, so a plain pipeline with the same seeds makes the same picture.
    """
    # Any: diffusers annotates what it returns, and the list of generators it takes, too narrowly.
    scheduler: Any = EulerAncestralDiscreteScheduler.from_config(schedule, timestep_spacing="linspace")
    scheduler.set_timesteps(steps, device=device)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    noise = torch.cat([torch.randn((1, *shape), generator=generator) for generator in generators])
    latents = noise.to(device) * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        predicted = denoise(scheduler.scale_model_input(latents, timestep), timestep)
        latents = scheduler.step(predicted, timestep, latents, generator=generators).prev_sample
    return latents
