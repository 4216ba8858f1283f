"""The public configurations of Stable Diffusion 1.5, 2.1 and SDXL: sizes and block types, from which names are derived.

Only what shapes the modules is here (the models' own config.json files on the hub); no weights, nothing to download.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

Config = dict[str, Any]
_DOWN, _UP = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",), ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3


@dataclass(frozen=True)
class PublicModel:
    """One family's configurations: the UNet's, and its text encoders' in order."""

    unet: Config
    text_encoders: tuple[Config, ...]


PUBLIC = {
    "sd1": PublicModel(
        {
            "down_block_types": _DOWN,
            "up_block_types": _UP,
            "block_out_channels": (320, 640, 1280, 1280),
            "layers_per_block": 2,
            "cross_attention_dim": 768,
            "attention_head_dim": 8,
        },
        ({"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12},),
    ),
    "sd2": PublicModel(
        {
            "down_block_types": _DOWN,
            "up_block_types": _UP,
            "block_out_channels": (320, 640, 1280, 1280),
            "layers_per_block": 2,
            "cross_attention_dim": 1024,
            "attention_head_dim": (5, 10, 20, 20),
            "use_linear_projection": True,
        },
        ({"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16},),
    ),
    "sdxl": PublicModel(
        {
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "block_out_channels": (320, 640, 1280),
            "layers_per_block": 2,
            "transformer_layers_per_block": (1, 2, 10),
            "cross_attention_dim": 2048,
            "attention_head_dim": (5, 10, 20),
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
        },
        (
            {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12},
            {
                "hidden_size": 1280,
                "intermediate_size": 5120,
                "num_hidden_layers": 32,
                "num_attention_heads": 20,
                "projection_dim": 1280,
            },
        ),
    ),
}


@lru_cache(maxsize=3)
def on_meta(family: str) -> tuple[nn.Module, tuple[nn.Module, ...]]:
    """UNet and text encoders of "sd1", "sd2" or "sdxl" on the meta device: every module and shape, no memory."""
    public = PUBLIC[family]
    with torch.device("meta"):
        unet = UNet2DConditionModel(**public.unet)
        encoders = tuple(_text_encoder(config, number) for number, config in enumerate(public.text_encoders))
    return unet, encoders


def _text_encoder(config: Config, number: int) -> nn.Module:
    """SDXL's second encoder keeps its projection; the others are plain."""
    build = CLIPTextModelWithProjection if number else CLIPTextModel
    return build(CLIPTextConfig(**config))
