"""Very small random models of each family, whole pipelines in diffusers' layout, and the descriptions that fit them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from miniature.paths import FOLDERS
from trainer.families.family import Config, Family
from trainer.families.known import FAMILIES

TEXT = (
    {"hidden_size": 12, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2},
    {"hidden_size": 20, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 2},
)
CROSS, PLAIN = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), ("DownBlock2D", "UpBlock2D")
OWN: dict[str, Config] = {
    "sd1": {"cross_attention_dim": 12, "attention_head_dim": 2},
    "sd2": {"cross_attention_dim": 12, "attention_head_dim": (2, 4)},
    "sdxl": {
        "cross_attention_dim": 32,
        "attention_head_dim": (2, 4),
        "transformer_layers_per_block": (1, 2),
        "addition_time_embed_dim": 4,
        "projection_class_embeddings_input_dim": 6 * 4 + 20,
    },
}
VAE = {
    "sample_size": 32,
    "block_out_channels": (8, 8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "norm_num_groups": 4,
}


def tiny_family(key: str) -> Family:
    """The family's own description with small sizes: blocks, layers and names are the public model's in kind."""
    public = FAMILIES[key]
    first, second = (PLAIN, CROSS) if key == "sdxl" else (CROSS, PLAIN)
    unet: Config = {
        **public.unet,
        "sample_size": 8,
        "block_out_channels": (8, 16),
        "down_block_types": (first[0], second[0]),
        "up_block_types": (second[1], first[1]),
        "norm_num_groups": 4,
        **OWN[key],
    }
    text = tuple(
        replace(part, public={**part.public, **TEXT[at]} | ({"projection_dim": 20} if at else {}))
        for at, part in enumerate(public.text)
    )
    return replace(public, unet=unet, text=text, vae={**public.vae, **VAE})


def tiny_pipeline(key: str, seed: int = 0) -> Any:
    """diffusers' pipeline of the family, random weights, CLIP's own tokenizer; SD2 predicts v, as its 768 px model."""
    family = tiny_family(key)
    parts: dict[str, Any] = {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for at, part in enumerate(family.text):
            parts[part.tokenizer] = CLIPTokenizer.from_pretrained(FOLDERS["base"] / "tokenizer", pad_token=part.pad)
            config = CLIPTextConfig(**part.public, bos_token_id=49406, eos_token_id=49407, vocab_size=49408)
            parts[part.encoder] = (CLIPTextModelWithProjection if at else CLIPTextModel)(config)
            inner: Any = getattr(parts[part.encoder], "text_model", parts[part.encoder])
            torch.nn.init.normal_(inner.final_layer_norm.bias)  # or the text's mean would be nothing but rounding
        unet, vae = UNet2DConditionModel(**family.unet), AutoencoderKL(**family.vae)
    scheduler = EulerDiscreteScheduler(**{**family.schedule, "prediction_type": family.prediction})
    optional = (
        {} if key == "sdxl" else {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    )
    kind: Any = getattr(diffusers, family.pipeline)
    pipeline = kind(**parts, unet=unet, vae=vae, scheduler=scheduler, **optional)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tiny_folder(key: str, folder: Path, seed: int = 0) -> Path:
    tiny_pipeline(key, seed).save_pretrained(folder)
    return folder
