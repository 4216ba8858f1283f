"""The formulas of a step, against independent ones: diffusers' schedules, and sums done by hand."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.optimization import get_cosine_with_hard_restarts_schedule_with_warmup
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import BaseModelError
from trainer.losses import draw_noise, noise_schedule, noised, sample_losses, target_of
from trainer.schedule import cosine_with_restarts

SD1 = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


@given(st.integers(0, 5), st.integers(6, 40), st.integers(1, 4))
def test_the_learning_rate_is_diffusers_own(warmup: int, total: int, cycles: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = get_cosine_with_hard_restarts_schedule_with_warmup(optimizer, warmup, total, cycles)
    for step in range(total + 3):
        assert cosine_with_restarts(step, warmup, total, cycles) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        theirs.step()


def test_the_learning_rate_ends_at_nothing_and_restarts() -> None:
    assert cosine_with_restarts(0, 0, 100, 1) == 1.0
    assert cosine_with_restarts(50, 0, 100, 1) == pytest.approx(0.5)
    assert cosine_with_restarts(100, 0, 100, 1) == 0.0
    assert cosine_with_restarts(50, 0, 100, 2) == 1.0


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


def test_the_noise_offset_shifts_whole_channels() -> None:
    plain = draw_noise((2, 4, 8, 8), 0.0, torch.Generator().manual_seed(0))
    shift = draw_noise((2, 4, 8, 8), 0.5, torch.Generator().manual_seed(0)) - plain
    assert shift.std(dim=(2, 3)).max() < 1e-6
    assert shift[..., 0, 0].abs().min() > 0
    many = draw_noise((500, 4, 1, 1), 0.5, torch.Generator().manual_seed(1))
    assert many.var().item() == pytest.approx(1 + 0.5**2, rel=0.1)
