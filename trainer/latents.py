"""Pictures -> the VAE's latents, and captions -> tokens: everything of the data that stays the same in every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from torch import Tensor
from transformers import CLIPTokenizer

from trainer.dataset import Sample
from trainer.errors import DatasetError
from trainer.pictures import load_square
from trainer.progress import Reporter

# Pixels encoded at once: 8 pictures of 64 px, or one of 768 px.
PIXELS_AT_ONCE = 768 * 768


@torch.no_grad()
def encode_pictures(vae: AutoencoderKL, samples: Sequence[Sample], side: int, reporter: Reporter) -> Tensor:
    """(N, C, h, w) scaled latents on the CPU: the mean of the VAE's distribution, without its noise.

    The deviation of Stable Diffusion's VAE is small beside the noise that training adds, so the mean loses little and
    repeats exactly. Raises DatasetError, naming the picture, for one that cannot be read or comes out not finite.
    """
    advance = reporter.task("encoding pictures", len(samples))
    at_once = min(16, max(1, PIXELS_AT_ONCE // side**2))
    latents: list[Tensor] = []
    for start in range(0, len(samples), at_once):
        chunk = samples[start : start + at_once]
        pixels = torch.stack([load_square(sample.path, side) for sample in chunk])
        answer = cast(AutoencoderKLOutput, vae.encode(pixels.to(vae.device, vae.dtype)))
        encoded = answer.latent_dist.mean.float().cpu()
        _check_finite(encoded, chunk)
        latents.append(_scaled(vae, encoded))
        advance(len(chunk))
    return torch.cat(latents)


def tokenize(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> Tensor:
    """(N, 77) token ids, padded as Stable Diffusion pads; what is longer is cut (`too_long` tells which)."""
    encoded = tokenizer(
        list(captions),
        padding="max_length",
        truncation=True,
        max_length=tokenizer.model_max_length,
        return_tensors="pt",
    )
    return encoded.input_ids


def too_long(tokenizer: CLIPTokenizer, samples: Sequence[Sample]) -> list[Sample]:
    """The samples whose caption has more tokens than the text encoder reads."""
    lengths = [len(ids) for ids in tokenizer([sample.caption for sample in samples]).input_ids]
    return [sample for sample, length in zip(samples, lengths, strict=True) if length > tokenizer.model_max_length]


def _scaled(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    config = dict(vae.config)
    return (latents - (config.get("shift_factor") or 0.0)) * config["scaling_factor"]


def _check_finite(latents: Tensor, samples: Sequence[Sample]) -> None:
    for sample, latent in zip(samples, latents, strict=True):
        if not latent.isfinite().all():
            raise DatasetError(f"{sample.path}: the VAE's answer to this picture is not finite; replace or remove it")
