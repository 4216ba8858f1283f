"""Writes a diffusers pipeline as one file in the original naming, by the maps that the files' own tests use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from checkpoints import TinyModel, write_single
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

VAE = "first_stage_model."
# CompVis' autoencoder in diffusers' words; up blocks are counted from the other end.
WORDS = {
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0": "mid.attn_1",
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
    "downsamplers.0": "downsample",
    "upsamplers.0": "upsample",
    ".resnets.": ".block.",
}


def write_single_file(key: str, pipeline: Any, path: Path, vae: bool = True, **more: Tensor) -> Path:
    """The pipeline's UNet and text encoders, and its VAE where it is asked for."""
    encoders = [pipeline.text_encoder, *([pipeline.text_encoder_2] if key == "sdxl" else [])]
    write_single(TinyModel(key, pipeline.unet, tuple(encoders)), path)
    tensors = {name: tensor for name, tensor in load_file(path).items() if not name.startswith(VAE)}
    if vae:
        tensors |= {f"{VAE}{name}": tensor for name, tensor in ldm_vae(pipeline.vae).items()}
    save_file({**tensors, **more}, path)
    return path


def ldm_vae(vae: nn.Module) -> dict[str, Tensor]:
    """The autoencoder's tensors by their original names; attention projections are 1x1 convolutions there."""
    blocks = len(vae.config["block_out_channels"])
    found: dict[str, Tensor] = {}
    for name, tensor in vae.state_dict().items():
        renamed = re.sub(r"down_blocks\.(\d+)", r"down.\1", name)
        renamed = re.sub(r"up_blocks\.(\d+)", lambda at: f"up.{blocks - 1 - int(at[1])}", renamed)
        for ours, theirs in WORDS.items():
            renamed = renamed.replace(ours, theirs)
        is_projection = ".attn_1." in renamed and tensor.dim() == 2
        found[renamed] = (tensor[:, :, None, None] if is_projection else tensor).detach().contiguous()
    return found
