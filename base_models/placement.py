"""Where a model's parts lie while it works: all on the device, or one after another where memory is short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from accelerate import cpu_offload_with_hook
from torch import nn

Memory = Literal["auto", "full", "offload", "tiled"]
TILE = 512  # pixels
ROOM_FOR_WORK = 1.6  # weights times this is what a picture takes at the family's own size, or a little less


def chosen_memory(memory: Memory, device: torch.device, weights: int) -> Memory:
    """What "auto" means for `weights` bytes: offload where a GPU's free memory is less than they need to work."""
    if memory != "auto":
        return memory
    if device.type != "cuda":
        return "full"
    free, _ = torch.cuda.mem_get_info(device)
    return "full" if free > weights * ROOM_FOR_WORK else "offload"


def place(encoders: Sequence[nn.Module], unet: nn.Module, vae: Any, device: torch.device, memory: Memory) -> None:
    """Put the parts on `device`, or have each come there when it is called and make room for the next.

    Offloading moves whole parts, so the UNet (SDXL's: 5 GB in float16) and what it works on must fit. It and slicing
    (the VAE decodes one picture at a time) change no picture; tiling blends the edges of tiles and does, a little.
    """
    parts = [*encoders, unet, vae]
    if chosen_memory(memory, device, sum(map(bytes_of, parts))) == "full":
        for part in parts:
            part.to(device)
        return
    vae.enable_slicing()
    if memory == "tiled":
        tile_decoding(vae)
    hook: Any = None
    for part in parts:
        _, hook = cpu_offload_with_hook(part, device, prev_module_hook=hook)


def tile_decoding(vae: Any) -> None:
    """Decode in tiles of TILE pixels. diffusers' own are as large as the VAE's training pictures."""
    vae.enable_tiling()
    vae.tile_sample_min_size = TILE
    vae.tile_latent_min_size = TILE // 2 ** (len(vae.config["block_out_channels"]) - 1)


def bytes_of(model: nn.Module) -> int:
    """What the model's parameters and buffers take where they lie, each in its own type."""
    return sum(one.numel() * one.element_size() for one in (*model.parameters(), *model.buffers()))
