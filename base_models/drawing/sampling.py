"""Runs a sampler. A picture's noise comes from its own generator on the CPU, whoever its neighbours are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import diffusers
import torch
from torch import Tensor

from base_models.drawing.samplers import SAMPLERS
from foundation.errors import UserError

# (noisy latents (N, 4, h, w), timestep) -> predicted noise (or v), guidance included
Denoiser = Callable[[Tensor, Tensor], Tensor]

# What a base model's scheduler file says about the model. The rest of it is about the sampler that it names.
_NOISE_SCHEDULE = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "prediction_type",
    "rescale_betas_zero_snr",
)


class SamplerError(UserError):
    """A sampler that cannot run on the base model's noise schedule."""


def make_scheduler(name: str, schedule: Mapping[str, object]) -> Any:
    """diffusers' scheduler of the sampler `name`, on the noise schedule of a base model's scheduler configuration.

    Any: diffusers annotates what its schedulers take and return too narrowly. Raises SamplerError where the base is
    no diffusion over betas, predicts neither noise nor v, or has zero terminal SNR and the scheduler cannot.
    """
    if not ("beta_start" in schedule or "trained_betas" in schedule):
        raise SamplerError(
            f"the base model's scheduler file ({_class_of(schedule)}) has no betas; use a diffusion model"
        )
    if (predicted := schedule.get("prediction_type", "epsilon")) not in ("epsilon", "v_prediction"):
        raise SamplerError(f"the base model predicts `{predicted}`; only `epsilon` and `v_prediction` can be sampled")
    sampler = SAMPLERS[name]
    scheduler: Any = getattr(diffusers, sampler.scheduler)
    known = {key: schedule[key] for key in _NOISE_SCHEDULE if schedule.get(key) is not None}
    if not known.pop("rescale_betas_zero_snr", False):
        return scheduler(**known, **sampler.options)
    if not _takes(scheduler.__init__, "rescale_betas_zero_snr"):
        raise SamplerError(
            f"the base model's noise schedule has zero terminal SNR, and the sampler `{name}` cannot start from it; "
            "use euler_a, euler, dpmpp_2m, ddim or unipc"
        )
    return scheduler(**known, **sampler.options, rescale_betas_zero_snr=True)


@torch.no_grad()
def sample(
    denoise: Denoiser,
    name: str,
    schedule: Mapping[str, object],
    shape: tuple[int, int, int],
    seeds: Sequence[int],
    steps: int,
    device: torch.device,
) -> Tensor:
    """Latents (N, *shape) float32 after `steps` of the sampler `name`; `schedule` as in `make_scheduler`.

    Noise is drawn as diffusers does with one generator a picture, so a plain pipeline with the same seeds makes the
    same picture. Euler a's are k-diffusion's (`sample_euler_ancestral` over `DiscreteSchedule.get_sigmas`).
    """
    scheduler = make_scheduler(name, schedule)
    scheduler.set_timesteps(steps, device=device)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    noise = torch.cat([torch.randn((1, *shape), generator=generator) for generator in generators])
    if hasattr(scheduler, "noise_sampler"):
        scheduler.noise_sampler = _brownian(scheduler.sigmas, noise, seeds, device)
    drawing = {"generator": generators} if _takes(scheduler.step, "generator") else {}
    latents = noise.to(device) * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        predicted = denoise(scheduler.scale_model_input(latents, timestep), timestep)
        latents = scheduler.step(predicted, timestep, latents, **drawing).prev_sample
    return latents


def _brownian(
    sigmas: Tensor, noise: Tensor, seeds: Sequence[int], device: torch.device
) -> Callable[[Tensor, Tensor], Tensor]:
    """DPM++ SDE's noise between two sigmas: a Brownian path a picture, on the CPU, from its seed (as A1111)."""
    from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler

    acting = sigmas[sigmas > 0]
    path: Any = BrownianTreeNoiseSampler(noise, acting.min().item(), acting.max().item(), seed=list(seeds))
    return lambda sigma, following: path(sigma.cpu(), following.cpu()).to(device)


def _takes(function: Callable[..., object], parameter: str) -> bool:
    return parameter in signature(function).parameters


def _class_of(schedule: Mapping[str, object]) -> object:
    return schedule.get("_class_name", "of an unknown kind")
