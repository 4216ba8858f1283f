"""LoRA adapters on a model: peft trains them, and a LoRA file names them as kohya does."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.upsampling import Upsample2D
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn

from foundation.typed.typed_torch import fork_rng, manual_seed, modules_of
from loras.lora_file import LoraModule, Module
from loras.low_rank_norm import grams, squared_norm
from trainer.config.config import LoraSection
from trainer.learning.lora_layers import ADAPTER, Dropouts, lean
from trainer.learning.lycoris_layers import attach_lycoris


class Strength(NamedTuple):
    """A module's rank and alpha."""

    rank: int
    alpha: float


@dataclass(frozen=True)
class Factors:
    """One module's trained parameters: `down` (r, in[, k, k]), `up` (out, r[, 1, 1]).

    The weight moves by scale * up @ down.
    """

    down: nn.Parameter
    up: nn.Parameter
    alpha: float

    @property
    def scale(self) -> float:
        """alpha / r, kohya's rule: a rank twice as high moves the weight no further."""
        return self.alpha / len(self.down)

    @property
    def parameters(self) -> tuple[nn.Parameter, ...]:
        """Down, then up."""
        return self.down, self.up

    def with_parameters(self, parameters: tuple[nn.Parameter, ...]) -> Factors:
        """The same with others in the place of its own, such as their twins."""
        down, up = parameters
        return Factors(down, up, self.alpha)

    def delta_squares(self) -> Tensor:
        """The squared Frobenius norm of scale * up @ down."""
        up, down = self.up.float().flatten(1), self.down.float().flatten(1)
        return squared_norm(*grams(up, down)) * self.scale**2

    def module(self) -> LoraModule:
        """As a LoRA file has it, copied to the CPU."""
        return LoraModule(_copied(self.down), _copied(self.up), self.alpha)


class Adapter(Protocol):
    """One module's trained parameters of any kind, and what they are worth. `scale` multiplies their product."""

    @property
    def scale(self) -> float: ...
    @property
    def parameters(self) -> tuple[nn.Parameter, ...]: ...
    def with_parameters(self, parameters: tuple[nn.Parameter, ...]) -> Adapter: ...
    def delta_squares(self) -> Tensor: ...
    def module(self) -> Module: ...


Adapters = Mapping[str, Adapter]  # by kohya name


def unet_targets(unet: nn.Module, with_convolutions: bool = False) -> list[str]:
    """Paths of the modules that kohya trains: each Linear and 1x1 Conv2d in a Transformer2DModel.

    With convolutions (kohya's `conv_dim`), each Linear and Conv2d in the resnets, down- and upsamplers as well.
    """
    blocks = (Transformer2DModel, ResnetBlock2D, Downsample2D, Upsample2D) if with_convolutions else Transformer2DModel
    return [
        f"{path}.{inner}"
        for path, block in modules_of(unet)
        if isinstance(block, blocks)
        for inner, module in modules_of(block)
        if isinstance(module, nn.Linear | nn.Conv2d) and (with_convolutions or not _is_3x3(module))
    ]


def text_encoder_targets(text_encoder: nn.Module) -> list[str]:
    """Paths of every Linear in the encoder's layers: q, k, v, out, fc1 and fc2 of each."""
    return [path for path, module in modules_of(text_encoder) if isinstance(module, nn.Linear) and ".layers." in path]


def paths_of(model: nn.Module, modules: Mapping[str, nn.Module], names: Collection[str]) -> list[str]:
    """Paths in `model` of the modules that `modules` has by these kohya names, as far as they are in it."""
    wanted = {id(modules[name]) for name in names}
    return [path for path, module in modules_of(model) if id(module) in wanted]


def attach(
    model: nn.Module,
    modules: Mapping[str, nn.Module],
    targets: list[str],
    lora: LoraSection,
    seed: int,
    own: Mapping[str, Strength] | None = None,
) -> Adapters:
    """Put float32 adapters on `targets` of `model`, in place, and return them by kohya name, as `modules` has them.

    They start as kohya's do (down Kaiming-uniform, up zero), the same for the same seed. 3x3 convolutions get
    `conv_rank` and `conv_alpha`; what `own` has, by kohya name, gets the rank and alpha that stand there. With another
    `algo` than "lora" they are LyCORIS'.
    """
    names = {id(module): name for name, module in modules.items()}
    named = {path: names[id(model.get_submodule(path))] for path in targets}
    wide = dict.fromkeys(
        (path for path in targets if _is_3x3(model.get_submodule(path))), Strength(lora.conv_rank, lora.conv_alpha)
    )
    if lora.algo != "lora":
        return attach_lycoris(model, named, set(wide), lora, seed)
    special = {**wide, **{path: own[name] for path, name in named.items() if own and name in own}}
    # peft declares alphas ints, but only ever divides them by the rank.
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # pyright: ignore[reportArgumentType]
        target_modules=targets,
        rank_pattern={path: one.rank for path, one in special.items()},
        alpha_pattern={path: one.alpha for path, one in special.items()},  # pyright: ignore[reportArgumentType]
    )
    with fork_rng():
        manual_seed(seed)
        inject_adapter_in_model(lean(config, Dropouts.of(lora)), model, ADAPTER)
    return {
        name: _factors(model.get_submodule(path), special[path].alpha if path in special else lora.alpha)
        for path, name in named.items()
    }


def parameters_of(adapters: Adapters) -> list[nn.Parameter]:
    """Every trained parameter, in the order of the names."""
    return [parameter for name in sorted(adapters) for parameter in adapters[name].parameters]


def snapshot(adapters: Adapters) -> dict[str, Module]:
    """The adapters as they are now, copied to the CPU, as a LoRA file's modules."""
    return {name: one.module() for name, one in adapters.items()}


def _is_3x3(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1)


def _factors(layer: nn.Module, alpha: float) -> Factors:
    down = layer.get_submodule(f"lora_A.{ADAPTER}").float()
    up = layer.get_submodule(f"lora_B.{ADAPTER}").float()
    return Factors(down.get_parameter("weight"), up.get_parameter("weight"), alpha)


def _copied(parameter: nn.Parameter) -> Tensor:
    return parameter.detach().to("cpu", torch.float32, copy=True).contiguous()
