"""Stable Diffusion 1.x, from the public configuration of 1.5 (Rombach et al. 2022, arXiv:2112.10752)."""

from __future__ import annotations

from base_models.families.family import CLIP_L, Family, TextPart

SD1 = Family(
    key="sd1",
    name="SD1.x",
    pipeline="StableDiffusionPipeline",
    unet={
        "sample_size": 64,
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        "block_out_channels": (320, 640, 1280, 1280),
        "layers_per_block": 2,
        "cross_attention_dim": 768,
        "attention_head_dim": 8,
    },
    text=(
        TextPart(
            encoder="text_encoder",
            tokenizer="tokenizer",
            kohya="lora_te",
            original=("cond_stage_model.transformer.", "transformers"),
            public=CLIP_L,
        ),
    ),
    prediction="epsilon",
    size=512,
    base_version="sd_v1",
    architecture="stable-diffusion-v1/lora",
)
