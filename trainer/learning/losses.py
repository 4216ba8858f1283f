"""What a step learns from: the noised latents, their target, and the loss of each sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor

from foundation.errors import BaseModelError
from foundation.typed.untyped import untyped

PREDICTIONS = ("epsilon", "v_prediction")
# kohya's bound where a timestep's noise is nothing and its signal-to-noise ratio without end.
HIGHEST_SNR = 1000.0


@dataclass(frozen=True)
class NoiseSchedule:
    """`kept` (T,): the share of the signal's variance left at each timestep (alpha bar); what the UNet answers."""

    kept: Tensor
    prediction: str


@dataclass(frozen=True)
class Weighting:
    """Which weights a loss gets by its timestep. A `min_snr_gamma` of 0 is none."""

    min_snr_gamma: float = 0.0
    debiased_estimation_loss: bool = False
    scale_v_pred_loss_like_noise_pred: bool = False


def noise_schedule(config: dict[str, object], zero_terminal_snr: bool = False) -> NoiseSchedule:
    """The base model's own noise schedule, whatever sampler its files name.

    `zero_terminal_snr`: betas rescaled so that the last timestep is noise alone (Lin et al. 2023, algorithm 1).
    Raises BaseModelError for a prediction type that training does not know, or that cannot learn from noise alone.
    """
    betas = {"rescale_betas_zero_snr": True} if zero_terminal_snr else {}
    schedule: DDPMScheduler = untyped(DDPMScheduler).from_config({**config, **betas})
    prediction = str(dict(schedule.config)["prediction_type"])
    if prediction not in PREDICTIONS:
        raise BaseModelError(f"the base model predicts `{prediction}`; only {' and '.join(PREDICTIONS)} can be trained")
    if zero_terminal_snr and prediction == "epsilon":
        raise BaseModelError("training.zero_terminal_snr needs a v-prediction base; this one predicts the noise")
    return NoiseSchedule(schedule.alphas_cumprod, prediction)


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


def snr_weights(schedule: NoiseSchedule, timesteps: Tensor, weighting: Weighting) -> Tensor:
    """(B,): the product of the weights that `weighting` asks for, each of a sample's signal-to-noise ratio.

    min-SNR (Hang et al. 2023, eq. 8 and appendix): min(snr, gamma) / snr for noise, / (snr + 1) for velocity.
    Debiased estimation (Yu et al. 2023): 1 / sqrt(snr), for velocity 1 / (snr + 1), snr held at 1000 as kohya does.
    Velocity scaled like noise (kohya): snr / (snr + 1).
    """
    kept, velocity = schedule.kept[timesteps], schedule.prediction == "v_prediction"
    snr = kept / (1 - kept)
    held = snr.clamp(max=HIGHEST_SNR)
    weights = torch.ones_like(kept)
    if gamma := weighting.min_snr_gamma:
        weights = weights * snr.clamp(max=gamma) / (snr + 1 if velocity else snr)
    if weighting.debiased_estimation_loss:
        weights = weights / (held + 1 if velocity else held.sqrt())
    if weighting.scale_v_pred_loss_like_noise_pred and velocity:
        weights = weights * held / (held + 1)
    return weights


def sample_losses(predicted: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """(B,): each sample's mean squared error times its weight, in float32; the batch's loss is their mean (kohya)."""
    return (predicted.float() - target.float()).square().mean(dim=(1, 2, 3)) * weights
