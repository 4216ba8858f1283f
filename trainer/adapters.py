"""LoRA adapters on a model: peft trains them, and a LoRA file names them as kohya does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn

from trainer.base_model import kohya_modules
from trainer.config import LoraSection
from trainer.lora_file import LoraModule

ADAPTER = "default"


@dataclass(frozen=True)
class Factors:
    """One module's trained parameters: `down` (r, in[, 1, 1]), `up` (out, r[, 1, 1])."""

    down: nn.Parameter
    up: nn.Parameter


Adapters = Mapping[str, Factors]  # by kohya name


def unet_targets(unet: nn.Module) -> list[str]:
    """Paths of the modules that kohya's SD1 default trains: each Linear and 1x1 Conv2d in a Transformer2DModel."""
    return [
        f"{path}.{inner}"
        for path, block in unet.named_modules()
        if isinstance(block, Transformer2DModel)
        for inner, module in block.named_modules()
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1))
    ]


def text_encoder_targets(text_encoder: nn.Module) -> list[str]:
    """Paths of every Linear in the encoder's layers: q, k, v, out, fc1 and fc2 of each."""
    return [
        path for path, module in text_encoder.named_modules() if isinstance(module, nn.Linear) and ".layers." in path
    ]


def attach(model: nn.Module, prefix: str, targets: list[str], lora: LoraSection, seed: int) -> Adapters:
    """Put float32 adapters on `targets` of `model`, in place, and return them by kohya name.

    They start as kohya's do (down Kaiming-uniform, up zero), the same for the same seed.
    """
    names = {id(module): name for name, module in kohya_modules(model, prefix).items()}
    named = {names[id(model.get_submodule(path))]: path for path in targets}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        # peft declares alpha an int, but only ever divides it by the rank.
        config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=targets)  # pyright: ignore[reportArgumentType]
        inject_adapter_in_model(config, model, ADAPTER)
    return {name: _factors(model.get_submodule(path)) for name, path in named.items()}


def parameters_of(adapters: Adapters) -> list[nn.Parameter]:
    """Every trained parameter, in the order of the names."""
    return [parameter for name in sorted(adapters) for parameter in (adapters[name].down, adapters[name].up)]


def snapshot(adapters: Adapters, alpha: float) -> dict[str, LoraModule]:
    """The adapters as they are now, copied to the CPU, as a LoRA file's modules."""
    return {name: LoraModule(_copied(factors.down), _copied(factors.up), alpha) for name, factors in adapters.items()}


def _factors(layer: nn.Module) -> Factors:
    down = layer.get_submodule(f"lora_A.{ADAPTER}").float()
    up = layer.get_submodule(f"lora_B.{ADAPTER}").float()
    return Factors(down.get_parameter("weight"), up.get_parameter("weight"))


def _copied(parameter: nn.Parameter) -> Tensor:
    return parameter.detach().to("cpu", torch.float32, copy=True).contiguous()
