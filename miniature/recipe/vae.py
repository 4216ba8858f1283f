"""The picture autoencoder: 64 px to latents of 16x16x4 (f=4), in diffusers' AutoencoderKL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor

from miniature.recipe.training import Course, Outcome, as_input, run_course
from miniature.recipe.untyped import untyped

COURSE = Course("vae", steps=3000, rate=2e-3, warm_up=0.1, weight_decay=1e-4, decay=0.998)
BATCH = 16
WIDTHS = (32, 64, 64)


def build_vae() -> AutoencoderKL:
    make: Any = AutoencoderKL  # annotated as if it had one block
    return make(
        block_out_channels=WIDTHS,
        down_block_types=("DownEncoderBlock2D",) * len(WIDTHS),
        up_block_types=("UpDecoderBlock2D",) * len(WIDTHS),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=64,
        mid_block_add_attention=False,
    )


def _posterior(vae: AutoencoderKL, pictures: Tensor) -> DiagonalGaussianDistribution:
    return vae.encode(pictures, return_dict=False)[0]


def _decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    return untyped(vae).decode(latents, return_dict=False)[0]


def _edges(picture: Tensor) -> tuple[Tensor, Tensor]:
    return picture[..., 1:] - picture[..., :-1], picture[:, :, 1:] - picture[:, :, :-1]


def train_vae(pixels: np.ndarray, work: Path) -> tuple[AutoencoderKL, Outcome]:
    """Train on (N, 64, 64, 3) uint8 pictures; sets the scaling factor to 1 / the latents' deviation, as SD does."""
    untyped(torch).manual_seed(COURSE.seed)
    vae = build_vae()
    pictures = torch.as_tensor(pixels)

    def loss_of(generator: torch.Generator) -> Tensor:
        drawn = as_input(pictures[torch.randint(len(pictures), (BATCH,), generator=generator)])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            posterior = _posterior(vae, drawn)
            noise = torch.randn(posterior.mean.shape, generator=generator)
            decoded = _decode(vae, posterior.mean + posterior.std * noise)
        error = decoded.float() - drawn
        sharpness = sum((edge.abs().mean() for edge in _edges(error)), start=torch.zeros(()))
        divergence = posterior.kl().float().mean() / posterior.mean[0].numel()
        return error.abs().mean() + 4 * error.square().mean() + 0.25 * sharpness + 1e-4 * divergence

    outcome = run_course(COURSE, vae, loss_of, work)
    latents = encode(vae, pixels[:2048])
    untyped(vae).register_to_config(scaling_factor=float(vae.config["scaling_factor"] / latents.std()))
    return vae, outcome


@torch.no_grad()
def encode(vae: AutoencoderKL, pixels: np.ndarray) -> Tensor:
    """Scaled latent means (N, 4, 16, 16) of (N, 64, 64, 3) uint8 pictures."""
    pictures = torch.as_tensor(pixels)
    means = [_posterior(vae, as_input(pictures[at : at + 64])).mean for at in range(0, len(pictures), 64)]
    return torch.cat(means).contiguous() * vae.config["scaling_factor"]


@torch.no_grad()
def reconstruct(vae: AutoencoderKL, pixels: np.ndarray) -> np.ndarray:
    """The pictures after encoding and decoding, (N, 64, 64, 3) float in 0..1."""
    latents = encode(vae, pixels) / vae.config["scaling_factor"]
    decoded = torch.cat([_decode(vae, latents[at : at + 64]) for at in range(0, len(latents), 64)])
    return (decoded.clamp(-1, 1).permute(0, 2, 3, 1).numpy() + 1) / 2
