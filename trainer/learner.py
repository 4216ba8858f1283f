"""One update of the adapters, and the check that keeps a broken one from reaching them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from trainer.base_model import BaseModel
from trainer.errors import DivergedError
from trainer.losses import NoiseSchedule, draw_noise, noised, sample_losses, target_of
from trainer.plan import Step


@dataclass(frozen=True)
class Material:
    """What every step draws from, on the CPU: latents (N, C, h, w), tokens (N, 77), loss weights (N,), names (N)."""

    latents: Tensor
    tokens: Tensor
    weights: Tensor
    names: Sequence[str]


@dataclass(frozen=True)
class Learner:
    """A base model with adapters on it, and what they learn from. `dtype` is what the frozen weights are held in."""

    base: BaseModel
    schedule: NoiseSchedule
    material: Material
    parameters: list[nn.Parameter]
    dtype: torch.dtype
    noise_offset: float
    seed: int


def learn(learner: Learner, optimizer: torch.optim.Optimizer, step: Step) -> float:
    """Make one update and return its loss, the mean over the step's batches.

    Raises DivergedError, naming the pictures, when a loss or the gradient is not finite; the adapters are then as they
    were before the step.
    """
    # A generator of the step's own, on the CPU: the same noise whatever came before, and on any device.
    generator = torch.Generator().manual_seed(Random(f"{learner.seed}/noise/{step.number}").getrandbits(63))
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for batch in step.batches:
        losses = batch_losses(learner, batch, generator)
        loss = losses.mean()
        if not loss.isfinite():
            broken = [at for at, one in zip(batch, losses.isfinite().tolist(), strict=True) if not one]
            raise _diverged(learner, step, "the loss is not finite", broken or batch)
        # An epoch's last group may be short of batches; its mean is over those it has.
        (loss / len(step.batches)).backward()
        total += loss.item() / len(step.batches)
    gradients = [parameter.grad for parameter in learner.parameters if parameter.grad is not None]
    if not get_total_norm(gradients).isfinite():
        raise _diverged(learner, step, "the gradient is not finite", [at for batch in step.batches for at in batch])
    optimizer.step()
    return total


def batch_losses(learner: Learner, batch: Sequence[int], generator: torch.Generator) -> Tensor:
    """(B,) weighted losses of the samples at `batch`, each at a timestep and a noise of its own."""
    device, chosen = learner.base.device, list(batch)
    latents = learner.material.latents[chosen]
    noise = draw_noise(tuple(latents.shape), learner.noise_offset, generator)
    timesteps = torch.randint(len(learner.schedule.kept), (len(chosen),), generator=generator)
    noisy = noised(learner.schedule, latents, noise, timesteps)
    target = target_of(learner.schedule, latents, noise, timesteps)
    with torch.autocast(device.type, learner.dtype, enabled=learner.dtype != torch.float32):
        words = learner.base.text_encoder(learner.material.tokens[chosen].to(device)).last_hidden_state
        noisy = noisy.to(device, learner.dtype, memory_format=torch.channels_last)
        predicted = learner.base.unet(noisy, timesteps.to(device), words).sample
    return sample_losses(predicted, target.to(device), learner.material.weights[chosen].to(device))


def _diverged(learner: Learner, step: Step, what: str, samples: Sequence[int]) -> DivergedError:
    names = ", ".join(dict.fromkeys(learner.material.names[at] for at in samples))
    return DivergedError(
        f"epoch {step.epoch}, step {step.number}: {what}, so the step was not made; pictures of the batch: {names}\n"
        "Look at those pictures and captions first, then lower unet_lr and te_lr. Files of earlier epochs are sound."
    )
