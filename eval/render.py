"""Prompts and seeds -> pictures, on a base model that may carry a LoRA's deltas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from eval.cells import Sampling
from eval.guidance import Guidance
from eval.guided_unet import GuidedUnet
from eval.sampling import sample
from trainer.base_model import BaseModel
from trainer.conditioning import Conditioning
from trainer.families.family import whole


@torch.no_grad()
def render(
    base: BaseModel, unet: GuidedUnet, sampling: Sampling, guidance: Sequence[Guidance], seeds: Sequence[int]
) -> np.ndarray:
    """Pictures (N, height, width, 3) float32 in 0..1; a picture that is not finite comes out as NaN.

    `unet` is the base's own, prepared. Pictures whose texts differ in length are drawn apart, so that none depends on
    its neighbours.
    """
    pictures = np.empty((len(seeds), sampling.height, sampling.width, 3), np.float32)
    lengths = np.array([one.wanted.text.shape[1] for one in guidance])
    for length in np.unique(lengths):
        chosen = np.flatnonzero(lengths == length).tolist()
        latents = _draw(base, unet, sampling, [guidance[at] for at in chosen], [seeds[at] for at in chosen])
        pictures[chosen] = decode(base, latents)
    return pictures


def decode(base: BaseModel, latents: Tensor) -> np.ndarray:
    """Latents (N, C, h, w) as pictures (N, height, width, 3) float32 in 0..1."""
    config = base.vae.config
    unscaled = latents.to(base.vae.dtype) / config["scaling_factor"] + (config.get("shift_factor") or 0.0)
    decoded = base.vae.decode(unscaled, return_dict=False)[0]
    return (decoded.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()


def _draw(
    base: BaseModel, unet: GuidedUnet, sampling: Sampling, guidance: Sequence[Guidance], seeds: Sequence[int]
) -> Tensor:
    unwanted, wanted = [one.unwanted for one in guidance], [one.wanted for one in guidance]
    conditioning = Conditioning.stack([*unwanted, *wanted])
    added = base.family.added(conditioning.pooled, whole(sampling.width, sampling.height))

    def denoise(latents: Tensor, timestep: Tensor) -> Tensor:
        without, with_prompt = unet(latents, timestep, conditioning.text, **added).float().chunk(2)
        return without + sampling.cfg * (with_prompt - without)

    reduction = 2 ** (len(base.vae.config["block_out_channels"]) - 1)
    shape = (base.unet.config["in_channels"], sampling.height // reduction, sampling.width // reduction)
    return sample(denoise, sampling.sampler, base.scheduler_config, shape, seeds, sampling.steps, base.device)
