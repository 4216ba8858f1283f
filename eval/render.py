"""Prompts and seeds -> pictures, on a base model that may carry a LoRA's deltas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from eval.cells import Sampling
from eval.sampler import sample_euler_ancestral
from trainer.base_model import BaseModel


@torch.no_grad()
def encode_prompts(base: BaseModel, prompts: Sequence[str], clip_skip: int) -> Tensor:
    """Conditioning (N, 77, width) of each prompt; `clip_skip` 1 takes the last layer, 2 the one before (A1111)."""
    tokens = base.tokenizer(
        list(prompts), padding="max_length", max_length=base.tokenizer.model_max_length, truncation=True,
        return_tensors="pt",
    )  # fmt: skip
    encoded = base.text_encoder(tokens.input_ids.to(base.device), output_hidden_states=clip_skip > 1)
    if clip_skip == 1:
        return encoded.last_hidden_state
    inner = getattr(base.text_encoder, "text_model", base.text_encoder)
    return inner.final_layer_norm(encoded.hidden_states[-clip_skip])


@torch.no_grad()
def render(base: BaseModel, sampling: Sampling, wanted: Tensor, unwanted: Tensor, seeds: Sequence[int]) -> np.ndarray:
    """Pictures (N, height, width, 3) float32 in 0..1; a picture that is not finite comes out as NaN.

    `wanted` (N, 77, width) and `unwanted` (1, 77, width) are encoded prompts.
    """
    text = torch.cat([unwanted.expand(len(seeds), -1, -1), wanted])

    def denoise(latents: Tensor, timestep: Tensor) -> Tensor:
        both = torch.cat([latents, latents]).to(base.unet.dtype).contiguous(memory_format=torch.channels_last)
        predicted = base.unet(both, timestep, encoder_hidden_states=text, return_dict=False)[0]
        without, with_prompt = predicted.float().chunk(2)
        return without + sampling.cfg * (with_prompt - without)

    reduction = 2 ** (len(base.vae.config["block_out_channels"]) - 1)
    shape = (base.unet.config["in_channels"], sampling.height // reduction, sampling.width // reduction)
    latents = sample_euler_ancestral(denoise, shape, seeds, sampling.steps, base.scheduler_config, base.device)
    decoded = base.vae.decode(latents.to(base.vae.dtype) / base.vae.config["scaling_factor"], return_dict=False)[0]
    return (decoded.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
