"""Base models of public shapes with random weights, in diffusers' layout, and LoRA files in kohya's names for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from base_models.families.family import Family
from base_models.families.known import FAMILIES
from loras.lora_file import LoraFile, LoraModule, write_lora
from miniature.paths import folder_of
from on_gpu.bench import Bench

# What a rehearsal changes of the public configurations.
TINY: dict[str, dict[str, Any]] = {
    "sd1": {
        "block_out_channels": (16, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "norm_num_groups": 8,
        "attention_head_dim": 2,
        "layers_per_block": 1,
    },
    "sdxl": {
        "block_out_channels": (16, 16, 16),
        "norm_num_groups": 8,
        "layers_per_block": 1,
        "attention_head_dim": (2, 2, 2),
        "transformer_layers_per_block": (1, 1, 1),
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 32,
    },
}
TINY_TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
TINY_VAE = {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4, "layers_per_block": 1}


def random_base(folder: Path, key: str, bench: Bench, dtype: torch.dtype) -> Path:
    """A whole model of a family's public shapes, made on the device, and CLIP's tokenizer; seconds, not minutes."""
    family = FAMILIES[key]
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(bench.device):
            parts = _parts(family, bench)
    finally:
        torch.set_default_dtype(before)
    pipeline: Any = getattr(diffusers, family.pipeline)
    kept = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipeline(**parts, **(kept if key == "sd1" else {})).save_pretrained(folder)
    bench.settle()
    return folder


def _parts(family: Family, bench: Bench) -> dict[str, Any]:
    tiny = bench.is_rehearsal
    tokenizer = CLIPTokenizer.from_pretrained(folder_of("base", "miniature") / "tokenizer")
    parts: dict[str, Any] = {"scheduler": DDPMScheduler(**family.schedule)}
    width = 0
    for part in family.text:
        pooled = "projection_dim" in part.public
        changes = {**TINY_TEXT, **({"projection_dim": 32} if pooled else {})} if tiny else {}
        config = CLIPTextConfig(**{**part.public, **changes})
        width += config.hidden_size
        parts[part.encoder] = (CLIPTextModelWithProjection if pooled else CLIPTextModel)(config)
        parts[part.tokenizer] = tokenizer
    changes = {**TINY[family.key], "cross_attention_dim": width} if tiny else {}
    parts["unet"] = UNet2DConditionModel(**{**family.unet, **changes})
    parts["vae"] = AutoencoderKL(**{**family.vae, **(TINY_VAE if tiny else {})})
    return parts


def random_loras(folder: Path, base: Any, count: int, rank: int) -> list[Path]:
    """Files of rank `rank` in float16 on all that kohya trains by default, for a loaded base model."""
    weights = targets({name: module.get_parameter("weight") for name, module in base.modules.items()})
    made: list[Path] = []
    for number in range(count):
        draw = torch.Generator().manual_seed(number)
        modules = {name: _module(weight, rank, draw) for name, weight in weights.items()}
        made.append(folder / f"random-{number + 1:06}.safetensors")
        write_lora(LoraFile(modules, {"ss_epoch": str(number + 1)}), made[-1])
    return made


def targets(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those of transformers and text encoders, without 3x3 convolutions."""
    return {name: weight for name, weight in weights.items() if _is_target(name, weight)}


def _is_target(name: str, weight: Tensor) -> bool:
    inside = "_attentions_" in name or "_transformer_blocks_" in name or name.startswith("lora_te")
    return inside and weight.shape[2:] in ((), (1, 1))


def _module(weight: Tensor, rank: int, draw: torch.Generator) -> LoraModule:
    out, ins, *kernel = weight.shape
    down = torch.randn(rank, ins, *kernel, generator=draw)
    up = torch.randn(out, rank, *kernel, generator=draw)
    return LoraModule(down.half() / 100, up.half() / 100, float(rank))
