"""Pictures -> the VAE's latents, which stay the same in every step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from torch import Tensor
from transformers import CLIPTokenizer

from trainer.base_model import BaseModel
from trainer.dataset import Sample
from trainer.errors import UnusablePicturesError
from trainer.latent_cache import LatentCache, View, content_sha256
from trainer.pictures import Frame, Size, load_pixels
from trainer.progress import Reporter

# Pixels encoded at once: 8 pictures of 64 px, or one of 768 px.
PIXELS_AT_ONCE = 768 * 768


class PictureEncoder:
    """Encodes pictures with a base model's VAE, in lots of one size; what a `cache` folder has is not encoded again."""

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
        for lot in _of_one_size(frames):
            found = {at: views[at] for at in lot}
            known = self._cache.read(found) if self._cache else {}
            made = self._make({at: view for at, view in found.items() if at not in known}, faults)
            latents |= known | made
            advance(len(lot))
        if faults:
            raise UnusablePicturesError(faults)
        return [latents[at] for at in range(len(views))]

    def _make(self, views: dict[int, View], faults: dict[Path, str]) -> dict[int, Tensor]:
        pixels = _read(views, faults)
        if not pixels:
            return {}
        stacked = torch.stack(list(pixels.values())).to(self._vae.device, self._vae.dtype)
        answer = cast(AutoencoderKLOutput, self._vae.encode(stacked))
        encoded = _scaled(self._vae, answer.latent_dist.mean.float().cpu())
        made = {at: latent.clone() for at, latent in zip(pixels, encoded, strict=True) if latent.isfinite().all()}
        broken = [views[at].path for at in pixels if at not in made]
        faults |= dict.fromkeys(broken, "the VAE's answer to this picture is not finite")
        if self._cache:
            self._cache.write({views[at]: latent for at, latent in made.items()})
        return made


def _of_one_size(frames: Sequence[Frame]) -> Iterator[list[int]]:
    """Indices of the frames in lots of one bucket, each as large as fits the memory."""
    by_bucket: dict[Size, list[int]] = {}
    for at, frame in enumerate(frames):
        by_bucket.setdefault(frame.bucket, []).append(at)
    for (width, height), places in by_bucket.items():
        at_once = min(16, max(1, PIXELS_AT_ONCE // (width * height)))
        yield from (places[start : start + at_once] for start in range(0, len(places), at_once))


def _read(views: dict[int, View], faults: dict[Path, str]) -> dict[int, Tensor]:
    pixels: dict[int, Tensor] = {}
    for at, view in views.items():
        try:
            loaded = torch.from_numpy(load_pixels(view.path, view.frame))
            pixels[at] = loaded.flip(-1) if view.mirror else loaded
        except UnusablePicturesError as error:
            faults.update(error.faults)
    return pixels


def too_long(tokenizer: CLIPTokenizer, samples: Sequence[Sample]) -> list[Sample]:
    """The samples whose caption has more tokens than the text encoder reads."""
    lengths = [len(ids) for ids in tokenizer([sample.caption for sample in samples]).input_ids]
    return [sample for sample, length in zip(samples, lengths, strict=True) if length > tokenizer.model_max_length]


def _scaled(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    config = dict(vae.config)
    return (latents - (config.get("shift_factor") or 0.0)) * config["scaling_factor"]
