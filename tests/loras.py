"""LoRA files made of random numbers, written without our writer, as kohya's tools name them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn


def is_target(name: str, module: nn.Module) -> bool:
    """kohya's default set: the transformer blocks of the UNet and all of the text encoder, no 3x3 convolutions."""
    size = getattr(module, "kernel_size", (1, 1))
    return size == (1, 1) and ("_attentions_" in name or "_transformer_blocks_" in name or name.startswith("lora_te"))


def random_kohya_file(
    path: Path, modules: dict[str, nn.Module], seed: int, rank: int = 4, strength: float = 0.1, **metadata: str
) -> Path:
    """Write a LoRA over `modules` (kohya name -> module) with alpha = rank / 2."""
    draw = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        if is_target(name, module):
            weight = module.get_parameter("weight")
            ones = [1] * (weight.dim() - 2)
            tensors[f"{name}.lora_down.weight"] = torch.randn(rank, *weight.shape[1:], generator=draw) * strength
            tensors[f"{name}.lora_up.weight"] = torch.randn(weight.shape[0], rank, *ones, generator=draw) * strength
            tensors[f"{name}.alpha"] = torch.tensor(rank / 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata or None)
    return path
