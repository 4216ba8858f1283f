"""What a picture costs, worked out from the base model's configuration alone: memory and floating-point operations."""

from __future__ import annotations

import time
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from base_models.base_source import BaseSource
from base_models.families.family import whole
from eval.rendering.batch_size import PictureShape
from eval.request.cells import Sampling
from foundation.typed.untyped import untyped

TOKENS = 77  # of a prompt
# Share of the peak of a matrix product that a whole render was seen to reach (docs/performance.md).
REACHED = {"cpu": 0.75, "cuda": 0.4}
SIDE, ATTEMPTS = 2048, 5


def picture_shape(base: BaseSource, sampling: Sampling) -> PictureShape:
    """Read off the configurations of the base model's parts. Raises BaseModelError."""
    unet, vae = base.configuration("unet"), base.configuration("vae")
    reduction = 2 ** (len(vae["block_out_channels"]) - 1)
    return PictureShape(
        latents=(sampling.height // reduction, sampling.width // reduction),
        unet_width=unet["block_out_channels"][0],
        vae_width=vae["block_out_channels"][0],
        reduction=reduction,
        bytes_a_number=getattr(torch, sampling.dtype).itemsize,
    )


def operations_a_picture(base: BaseSource, sampling: Sampling) -> float:
    """Floating-point operations of one picture: the steps of UNet with guidance, and the decoding.

    Counted by torch on the meta device, where nothing is computed. Prompts are encoded once for many pictures, and not
    counted. Raises BaseModelError.
    """
    unet_config, vae_config = base.configuration("unet"), base.configuration("vae")
    height, width = picture_shape(base, sampling).latents
    with torch.device("meta"), torch.no_grad():
        unet = untyped(UNet2DConditionModel).from_config(unet_config)
        vae = untyped(AutoencoderKL).from_config(vae_config)
        latents = torch.empty(2, unet.config["in_channels"], height, width)
        text = torch.empty(2, TOKENS, unet_config["cross_attention_dim"])
        added = base.family.added(torch.empty(2, _pooled_width(unet_config)), whole(sampling.width, sampling.height))
        with FlopCounterMode(display=False) as step:
            unet(latents, torch.empty(()), text, **added)
        with FlopCounterMode(display=False) as decoding:
            vae.decode(latents[:1])
    return float(sampling.steps * step.get_total_flops() + decoding.get_total_flops())


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of a product of two square matrices, the best of a few: under a second on anything."""
    one, other = (torch.randn(SIDE, SIDE, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(ATTEMPTS):
        began = time.perf_counter()
        (one @ other)[0, 0].item()  # waits for the device
        best = min(best, time.perf_counter() - began)
    return 2 * SIDE**3 / best


def seconds_a_picture(base: BaseSource, sampling: Sampling, device: torch.device) -> float:
    """An estimate for a device on which nothing was rendered yet. Raises BaseModelError."""
    peak = matrix_peak(device, getattr(torch, sampling.dtype))
    return operations_a_picture(base, sampling) / (peak * REACHED.get(device.type, REACHED["cuda"]))


def _pooled_width(unet: dict[str, Any]) -> int:
    """SDXL's UNet is given the pooled text and six numbers of the picture's size, each embedded."""
    return int(unet.get("projection_class_embeddings_input_dim") or 0) - 6 * (unet.get("addition_time_embed_dim") or 0)
