"""The formulas of a step, against independent ones: diffusers' schedules, and sums done by hand."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler

from foundation.errors import BaseModelError
from trainer.learning.losses import Weighting, noise_schedule, noised, sample_losses, snr_weights, target_of

SD1 = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_noised_latents_and_targets_are_diffusers_own(prediction: str) -> None:
    latents, noise, timesteps = torch.randn(4, 4, 3, 3), torch.randn(4, 4, 3, 3), torch.tensor([0, 10, 500, 999])
    ours, theirs = noise_schedule({**SD1, "prediction_type": prediction}), DDPMScheduler(**SD1)
    torch.testing.assert_close(noised(ours, latents, noise, timesteps), theirs.add_noise(latents, noise, timesteps))
    wanted = noise if prediction == "epsilon" else theirs.get_velocity(latents, noise, timesteps)
    torch.testing.assert_close(target_of(ours, latents, noise, timesteps), wanted)


def test_a_prediction_that_is_not_known_is_refused() -> None:
    with pytest.raises(BaseModelError, match="predicts `sample`"):
        noise_schedule({**SD1, "prediction_type": "sample"})


def test_a_samples_loss_is_its_mean_square_times_its_weight() -> None:
    predicted = torch.zeros(2, 4, 2, 2)
    target = torch.stack([torch.full((4, 2, 2), 2.0), torch.full((4, 2, 2), 3.0)])
    losses = sample_losses(predicted, target, torch.tensor([1.0, 0.15]))
    torch.testing.assert_close(losses, torch.tensor([4.0, 9.0 * 0.15]))
    torch.testing.assert_close(sample_losses(target, target - 0.5, torch.ones(2)), torch.tensor([0.25, 0.25]))


TIMESTEPS = torch.tensor([0, 1, 100, 500, 999])


def _sigmas(prediction: str, **weighting: float | bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Our weights, and each timestep's noise over its signal in k-diffusion's terms, sigma ** 2 = 1 / snr."""
    schedule = noise_schedule({**SD1, "prediction_type": prediction})
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    signal = torch.exp(torch.log1p(-betas).cumsum(0))[TIMESTEPS]
    return snr_weights(schedule, TIMESTEPS, Weighting(**weighting)).double(), (1 - signal) / signal


@pytest.mark.parametrize("gamma", [1.0, 5.0, 20.0])
def test_min_snr_weighs_as_the_paper_does(gamma: float) -> None:
    """In the paper's terms the weight of the predicted *picture* is min(snr, gamma), whatever the UNet predicts.

    A squared error of the noise is snr times that of the picture; one of the velocity is snr + 1 times.
    """
    noise, variance = _sigmas("epsilon", min_snr_gamma=gamma)
    torch.testing.assert_close(noise / variance, torch.minimum(1 / variance, torch.tensor(gamma)), rtol=1e-4, atol=0)
    velocity, variance = _sigmas("v_prediction", min_snr_gamma=gamma)
    picture = velocity * (1 / variance + 1)
    torch.testing.assert_close(picture, torch.minimum(1 / variance, torch.tensor(gamma)), rtol=1e-4, atol=0)


def test_debiased_estimation_weighs_by_the_noise_over_the_signal() -> None:
    noise, variance = _sigmas("epsilon", debiased_estimation_loss=True)
    held = variance.clamp(min=1 / 1000)
    torch.testing.assert_close(noise, held.sqrt(), rtol=1e-4, atol=0)
    velocity, _ = _sigmas("v_prediction", debiased_estimation_loss=True)
    torch.testing.assert_close(velocity, held / (1 + held), rtol=1e-4, atol=0)


def test_velocity_scaled_like_noise_weighs_by_the_signal_left() -> None:
    velocity, variance = _sigmas("v_prediction", scale_v_pred_loss_like_noise_pred=True)
    torch.testing.assert_close(velocity, 1 / (1 + variance.clamp(min=1 / 1000)), rtol=1e-4, atol=0)
    assert (_sigmas("epsilon", scale_v_pred_loss_like_noise_pred=True)[0] == 1).all()


def test_without_a_weighting_every_timestep_counts_the_same() -> None:
    assert (_sigmas("epsilon")[0] == 1).all()
    assert (_sigmas("v_prediction")[0] == 1).all()


def test_at_zero_terminal_snr_the_last_timestep_is_noise_alone_and_its_weights_are_finite() -> None:
    schedule = noise_schedule({**SD1, "prediction_type": "v_prediction"}, zero_terminal_snr=True)
    assert schedule.kept[-1] == 0
    both = Weighting(min_snr_gamma=5.0, debiased_estimation_loss=True)
    assert snr_weights(schedule, TIMESTEPS, both).isfinite().all()
    with pytest.raises(BaseModelError, match="needs a v-prediction base"):
        noise_schedule(dict(SD1), zero_terminal_snr=True)
