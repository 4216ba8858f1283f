"""Pictures -> the VAE's latents, which stay the same in every step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from torch import Tensor
from transformers import CLIPTokenizer

from base_models.base_model import BaseModel
from base_models.prompts.token_ids import lengths_of, most_tokens
from foundation.errors import UnusablePicturesError
from foundation.progress import Reporter
from foundation.typed.untyped import untyped
from trainer.data.dataset import Sample
from trainer.data.latent_cache import LatentCache, View, content_sha256
from trainer.data.pictures import Frame, load_pixels


class PictureEncoder:
    """Encodes pictures with a base model's VAE; what a `cache` folder has is not encoded again.

    Each by itself: beside others, sums are made in another order, so that a picture's last bits would depend on which
    others a killed run had left to encode. On a CPU sixteen at once take as long (64 px, the miniature's VAE).
    """

    def __init__(self, base: BaseModel, cache: Path | None, reporter: Reporter) -> None:
        self._vae, self._reporter = base.vae, reporter
        self._cache = LatentCache(cache, content_sha256(base.vae, dict(base.vae.config))) if cache else None

    @torch.no_grad()
    def encode(self, samples: Sequence[Sample], frames: Sequence[Frame], mirror: bool = False) -> list[Tensor]:
        """A sample's (C, h, w) scaled latents, on the CPU: the mean of the VAE's distribution, without its noise.

        The deviation of Stable Diffusion's VAE is small beside the noise that training adds, so the mean loses little
        and repeats exactly. `mirror`: of the pictures turned left to right. Raises UnusablePicturesError, naming every
        picture that cannot be read or comes out not finite.
        """
        views = [View(sample.path, frame, mirror) for sample, frame in zip(samples, frames, strict=True)]
        advance = self._reporter.task("encoding pictures", len(views))
        faults: dict[Path, str] = {}
        latents: dict[int, Tensor] = {}
        for at, view in enumerate(views):
            latent = self._cache.read(view) if self._cache else None
            if latent is None:
                latent = self._made(view, faults)
            if latent is not None:
                latents[at] = latent
            advance(1)
        if faults:
            raise UnusablePicturesError(faults)
        return [latents[at] for at in range(len(views))]

    def _made(self, view: View, faults: dict[Path, str]) -> Tensor | None:
        """None, and a fault, for a picture that cannot be read or whose latent is not finite."""
        try:
            pixels = torch.as_tensor(load_pixels(view.path, view.frame))
        except UnusablePicturesError as error:
            faults |= error.faults
            return None
        asked = (pixels.flip(-1) if view.mirror else pixels)[None].to(self._vae.device, self._vae.dtype)
        answer = cast(AutoencoderKLOutput, self._vae.encode(asked))
        (latent,) = _scaled(self._vae, untyped(answer).latent_dist.mean.float().cpu())
        if not latent.isfinite().all():
            faults[view.path] = "the VAE's answer to this picture is not finite"
            return None
        if self._cache:
            self._cache.write(view, latent)
        return latent


def too_long(tokenizer: CLIPTokenizer, samples: Sequence[Sample], chunks: int = 1) -> list[Sample]:
    """The samples whose caption has more tokens than are read, in so many chunks."""
    lengths = lengths_of(tokenizer, [sample.caption for sample in samples])
    most = (most_tokens(tokenizer) - 2) * chunks + 2
    return [sample for sample, length in zip(samples, lengths, strict=True) if length > most]


def _scaled(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    config = dict(vae.config)
    return (latents - (config.get("shift_factor") or 0.0)) * config["scaling_factor"]
