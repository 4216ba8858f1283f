"""The noise that latents are mixed with: Gaussian, shifted by channel, or with coarser noise added."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trainer.config.training_section import TrainingSection


@dataclass(frozen=True)
class Noise:
    """kohya's settings of its noise: an offset by channel, and noise of coarser resolutions (`iterations` above 0)."""

    offset: float = 0.0
    random_strength: bool = False
    adaptive_scale: float = 0.0
    iterations: int = 0
    discount: float = 0.3

    @classmethod
    def of(cls, training: TrainingSection) -> Noise:
        """As a run's configuration has them."""
        return cls(
            training.noise_offset,
            training.noise_offset_random_strength,
            training.adaptive_noise_scale,
            training.multires_noise_iterations,
            training.multires_noise_discount,
        )


def draw_noise(latents: Tensor, asked: Noise, generator: torch.Generator) -> Tensor:
    """Noise of the shape of `latents` (B, C, h, w), drawn from `generator` alone: the offset first, as kohya does."""
    noise = torch.randn(latents.shape, generator=generator)
    if asked.offset > 0:
        noise = noise + _offsets(latents, asked, generator)
    if asked.iterations > 0:
        noise = _with_coarser(noise, asked, generator)
    return noise


def _offsets(latents: Tensor, asked: Noise, generator: torch.Generator) -> Tensor:
    """offset * randn(B, C, 1, 1), after Guttenberg 2023, "Diffusion with Offset Noise".

    With `random_strength` the batch's offset is drawn evenly from 0 to `offset`. `adaptive_scale` times the size of a
    channel's own mean is added to it, and it never goes below 0.
    """
    offset: Tensor | float = asked.offset
    if asked.random_strength:
        offset = asked.offset * torch.rand(1, generator=generator)
    if asked.adaptive_scale:
        offset = (offset + asked.adaptive_scale * latents.mean(dim=(2, 3), keepdim=True).abs()).clamp(min=0.0)
    return offset * torch.randn((*latents.shape[:2], 1, 1), generator=generator)


def _with_coarser(noise: Tensor, asked: Noise, generator: torch.Generator) -> Tensor:
    """`noise` plus noise of ever fewer places spread over all, brought back to a deviation of 1 (Whitaker 2023).

    The i-th, from 0, has each side divided by r ** i, r drawn from 2 to 4 each time, and weighs `discount` ** i.
    """
    height, width = noise.shape[2:]
    total = noise
    for level in range(asked.iterations):
        ratio = float(torch.rand(1, generator=generator)) * 2 + 2
        small = (max(1, int(height / ratio**level)), max(1, int(width / ratio**level)))
        coarse = torch.randn((*noise.shape[:2], *small), generator=generator)
        spread = functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
        total = total + spread * asked.discount**level
        if 1 in small:
            break
    return total / total.std()
