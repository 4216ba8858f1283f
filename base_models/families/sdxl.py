"""Stable Diffusion XL, from the public configuration of its base model 1.0 (Podell et al. 2023, arXiv:2307.01952).

Two text encoders answer with their penultimate layers, side by side; the second one's pooled answer, and the sizes of
the picture, are added to the timestep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from base_models.families.family import CLIP_L, KL_F8, Family, Sizes, TextPart

if TYPE_CHECKING:
    from torch import Tensor


def text_and_sizes(pooled: Tensor | None, sizes: Sequence[Sizes]) -> dict[str, Any]:
    """Pooled text (N, P) and six numbers a picture: original size, corner of the crop, target size (height first)."""
    if pooled is None:
        raise ValueError("SDXL's UNet needs the pooled text")
    import torch

    # Made on the CPU and sent: made on a GPU it would be waited for.
    time_ids = torch.tensor(sizes, dtype=torch.float32).to(pooled.device, non_blocking=True).expand(len(pooled), -1)
    return {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": time_ids}}


SDXL = Family(
    key="sdxl",
    name="SDXL",
    pipeline="StableDiffusionXLPipeline",
    unet={
        "sample_size": 128,
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
    marks=("addition_embed_type",),
    text=(
        TextPart(
            encoder="text_encoder",
            tokenizer="tokenizer",
            kohya="lora_te1",
            original=("conditioner.embedders.0.transformer.", "transformers"),
            public=CLIP_L,
            layer=2,
            normed=False,
        ),
        TextPart(
            encoder="text_encoder_2",
            tokenizer="tokenizer_2",
            kohya="lora_te2",
            original=("conditioner.embedders.1.model.", "openclip"),
            public={
                "hidden_size": 1280,
                "intermediate_size": 5120,
                "num_hidden_layers": 32,
                "num_attention_heads": 20,
                "hidden_act": "gelu",
                "projection_dim": 1280,
            },
            layer=2,
            normed=False,
            pad="!",
        ),
    ),
    vae={**KL_F8, "scaling_factor": 0.13025},
    pooled=1,
    added=text_and_sizes,
    empty_is_zero=True,
    half_vae=False,
    prediction="epsilon",
    size=1024,
    base_version="sdxl_base_v1-0",
    architecture="stable-diffusion-xl-v1-base/lora",
    original_names=True,
    own_names=("lora_te1_", "lora_te2_", "lora_unet_input_blocks", "lora_unet_middle_block", "lora_unet_output_blocks"),
)
