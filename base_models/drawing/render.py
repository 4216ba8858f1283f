"""Prompts and seeds -> pictures, on a base model that may carry a LoRA's deltas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from base_models.base_model import BaseModel
from base_models.drawing.guidance import Guidance
from base_models.drawing.sampling import sample
from base_models.families.family import whole
from base_models.prompts.conditioning import Conditioning
from foundation.typed.untyped import untyped


class Drawing(Protocol):
    """How pictures are drawn: a sampler by its key, its steps, the strength of guidance, sides in pixels."""

    @property
    def sampler(self) -> str:
        """A key of `samplers.SAMPLERS`."""
        ...

    @property
    def steps(self) -> int:
        """How many times the UNet is asked of each picture, as a sampler counts its steps."""
        ...

    @property
    def cfg(self) -> float:
        """The strength of guidance: 1 asks for the prompt alone (Ho & Salimans 2022, eq. 6, as 1 + w)."""
        ...

    @property
    def width(self) -> int:
        """In pixels; the latents have an eighth of it."""
        ...

    @property
    def height(self) -> int:
        """In pixels; the latents have an eighth of it."""
        ...


class Predictor(Protocol):
    """A UNet under guidance: (2N, C, h, w) without the prompts, then with them, for latents (N, C, h, w)."""

    def __call__(self, latents: Tensor, timestep: Tensor, text: Tensor, **added: object) -> Tensor: ...


@torch.no_grad()
def render(
    base: BaseModel, predict: Predictor, drawing: Drawing, guidance: Sequence[Guidance], seeds: Sequence[int]
) -> np.ndarray:
    """Pictures (N, height, width, 3) float32 in 0..1; a picture that is not finite comes out as NaN.

    `predict` asks the base's own UNet. Pictures whose texts differ in length are drawn apart, so that none depends on
    its neighbours.
    """
    pictures = np.empty((len(seeds), drawing.height, drawing.width, 3), np.float32)
    lengths = np.array([one.wanted.text.shape[1] for one in guidance])
    for length in np.unique(lengths):
        chosen = np.flatnonzero(lengths == length).tolist()
        latents = _draw(base, predict, drawing, [guidance[at] for at in chosen], [seeds[at] for at in chosen])
        pictures[chosen] = decode(base, latents)
    return pictures


def decode(base: BaseModel, latents: Tensor) -> np.ndarray:
    """Latents (N, C, h, w) as pictures (N, height, width, 3) float32 in 0..1."""
    config = base.vae.config
    unscaled = latents.to(base.vae.dtype) / config["scaling_factor"] + (config.get("shift_factor") or 0.0)
    decoded = untyped(base.vae).decode(unscaled, return_dict=False)[0]
    return (decoded.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()


def _draw(
    base: BaseModel, predict: Predictor, drawing: Drawing, guidance: Sequence[Guidance], seeds: Sequence[int]
) -> Tensor:
    unwanted, wanted = [one.unwanted for one in guidance], [one.wanted for one in guidance]
    conditioning = Conditioning.stack([*unwanted, *wanted])
    added = base.family.added(conditioning.pooled, whole(drawing.width, drawing.height))

    def denoise(latents: Tensor, timestep: Tensor) -> Tensor:
        without, with_prompt = predict(latents, timestep, conditioning.text, **added).float().chunk(2)
        return without + drawing.cfg * (with_prompt - without)

    reduction = 2 ** (len(base.vae.config["block_out_channels"]) - 1)
    shape = (base.unet.config["in_channels"], drawing.height // reduction, drawing.width // reduction)
    return sample(denoise, drawing.sampler, base.scheduler_config, shape, seeds, drawing.steps, base.device)
