"""What a picture costs in floating-point operations, from a base model's configuration alone; how fast a device is."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from base_models.base_source import BaseSource
from base_models.families.family import whole
from foundation.typed.untyped import untyped

TOKENS = 77  # of a prompt
# Share of the peak of a matrix product that a whole render was seen to reach (docs/performance.md).
REACHED = {"cpu": 0.75, "cuda": 0.4}
SIDE, ATTEMPTS = 2048, 5
Size = tuple[int, int]  # width and height, in pixels


def reduction_of(base: BaseSource) -> int:
    """Pixels along a side for each of a latent's. Raises BaseModelError."""
    return 2 ** (len(base.configuration("vae")["block_out_channels"]) - 1)


def step_operations(base: BaseSource, size: Size, samples: int) -> float:
    """Of one step of the UNet on so many samples; guidance takes two a picture. Raises BaseModelError.

    Counted by torch on the meta device, where nothing is computed.
    """
    config, reduction = base.configuration("unet"), reduction_of(base)
    with torch.device("meta"), torch.no_grad():
        unet = untyped(UNet2DConditionModel).from_config(config)
        latents = torch.empty(samples, unet.config["in_channels"], size[1] // reduction, size[0] // reduction)
        text = torch.empty(samples, TOKENS, config["cross_attention_dim"])
        added = base.family.added(torch.empty(samples, pooled_width(config)), whole(*size))
        with FlopCounterMode(display=False) as counted:
            unet(latents, torch.empty(()), text, **added)
    return float(counted.get_total_flops())


def decoding_operations(base: BaseSource, size: Size) -> float:
    """Of one picture's decoding. Raises BaseModelError."""
    config, reduction = base.configuration("vae"), reduction_of(base)
    with torch.device("meta"), torch.no_grad():
        vae = untyped(AutoencoderKL).from_config(config)
        latents = torch.empty(1, vae.config["latent_channels"], size[1] // reduction, size[0] // reduction)
        with FlopCounterMode(display=False) as counted:
            vae.decode(latents)
    return float(counted.get_total_flops())


def operations_a_second(device: torch.device, dtype: torch.dtype) -> float:
    """What a device on which nothing was rendered yet may be hoped to reach."""
    return matrix_peak(device, dtype) * REACHED.get(device.type, REACHED["cuda"])


@cache
def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of a product of two square matrices, the best of a few: under a second on anything."""
    one, other = (torch.randn(SIDE, SIDE, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(ATTEMPTS):
        began = time.perf_counter()
        (one @ other)[0, 0].item()  # waits for the device
        best = min(best, time.perf_counter() - began)
    return 2 * SIDE**3 / best


def pooled_width(unet: dict[str, Any]) -> int:
    """How wide the pooled text is that a UNet is given; 0 of one that is given none.

    SDXL's is given it and six numbers of the picture's size, each embedded.
    """
    return int(unet.get("projection_class_embeddings_input_dim") or 0) - 6 * (unet.get("addition_time_embed_dim") or 0)
