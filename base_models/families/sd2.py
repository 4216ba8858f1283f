"""Stable Diffusion 2.x, from the public configuration of 2.1 at 768 px: v-prediction, OpenCLIP's ViT-H text encoder.

A diffusers folder holds that encoder without its last layer, which the model does not read, so its last is the one
that A1111 calls penultimate. clip_skip changes nothing here, as in A1111.
"""

from __future__ import annotations

from base_models.families.family import Family, TextPart

SD2 = Family(
    key="sd2",
    name="SD2.x",
    pipeline="StableDiffusionPipeline",
    unet={
        "sample_size": 96,
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        "block_out_channels": (320, 640, 1280, 1280),
        "layers_per_block": 2,
        "cross_attention_dim": 1024,
        "attention_head_dim": (5, 10, 20, 20),
        "use_linear_projection": True,
    },
    text=(
        TextPart(
            encoder="text_encoder",
            tokenizer="tokenizer",
            kohya="lora_te",
            original=("cond_stage_model.model.", "openclip"),
            public={
                "hidden_size": 1024,
                "intermediate_size": 4096,
                "num_hidden_layers": 23,
                "num_attention_heads": 16,
                "hidden_act": "gelu",
            },
            layer=1,
            pad="!",
        ),
    ),
    prediction="v_prediction",
    size=768,
    other_sizes={"epsilon": 512},  # 2.1 base, which has the same shapes
    base_version="sd_v2",
    architecture="stable-diffusion-v2-768-v/lora",
    v2=True,
)
