"""PEFT's LoRA layers with kohya's dropouts, and with fewer passes over the activations.

PEFT multiplies and adds a whole output for every adapter. Here the scale goes onto the r-wide middle and the sum is
part of the second product, which is most of what an adapter costs beside a small base model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig
from peft.tuners.lora import Conv2d as PeftConv2d
from peft.tuners.lora import Linear as PeftLinear
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from trainer.config import LoraSection

ADAPTER = "default"


@dataclass(frozen=True)
class Dropouts:
    """kohya's three: of the middle's single values, of whole ranks (by sample), and of the whole module."""

    values: float = 0.0
    ranks: float = 0.0
    module: float = 0.0

    @classmethod
    def of(cls, lora: LoraSection) -> Dropouts:
        return cls(lora.dropout, lora.rank_dropout, lora.module_dropout)

    def middle(self, middle: Tensor, channel: int) -> Tensor:
        """`middle` with values and ranks dropped; its ranks lie along `channel`. What is left is scaled up."""
        if self.values:
            middle = functional.dropout(middle, self.values)
        if self.ranks:
            shape = [1] * middle.dim()
            shape[0], shape[channel] = middle.shape[0], middle.shape[channel]
            kept = torch.rand(shape, device=middle.device) > self.ranks
            middle = middle * kept / (1 - self.ranks)
        return middle

    def leaves_out_module(self) -> bool:
        return self.module > 0 and bool(torch.rand(1) < self.module)


NO_DROPOUT = Dropouts()


class LeanLinear(PeftLinear):
    """base(x) + scale * up(down(x)). Dropouts act only where a gradient is wanted."""

    dropouts = NO_DROPOUT

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        result = self.base_layer(x)
        dropouts = self.dropouts if torch.is_grad_enabled() else NO_DROPOUT
        if self.disable_adapters or dropouts.leaves_out_module():
            return result
        down, up = (self.get_parameter(f"lora_{factor}.{ADAPTER}.weight") for factor in "AB")
        scale = self.scaling[ADAPTER]
        middle = dropouts.middle(functional.linear(x, down), -1)
        middle = middle if scale == 1 else middle * scale
        if result.dtype != up.dtype:  # under autocast the products choose their type
            return result + functional.linear(middle, up)
        flat = torch.addmm(result.flatten(0, -2), middle.flatten(0, -2), up.t())
        return flat.view(result.shape)


class LeanConv2d(PeftConv2d):
    """base(x) + scale * up(down(x)): down has the base's kernel, up is 1x1. Dropouts as in `LeanLinear`."""

    dropouts = NO_DROPOUT

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        result = self.base_layer(x)
        dropouts = self.dropouts if torch.is_grad_enabled() else NO_DROPOUT
        if self.disable_adapters or dropouts.leaves_out_module():
            return result
        down, up = (self.get_submodule(f"lora_{factor}.{ADAPTER}") for factor in "AB")
        middle, scale = dropouts.middle(down(x), 1), self.scaling[ADAPTER]
        return result + up(middle if scale == 1 else middle * scale)


def lean(config: LoraConfig, dropouts: Dropouts) -> LoraConfig:
    """`config`, told to make layers of the kinds above."""
    linear = type("DroppingLinear", (LeanLinear,), {"dropouts": dropouts})
    conv = type("DroppingConv2d", (LeanConv2d,), {"dropouts": dropouts})
    # PEFT's own door for layers of one's own; the name says "private", its documentation recommends it.
    config._register_custom_module({nn.Linear: linear, nn.Conv2d: conv})  # pyright: ignore[reportPrivateUsage]
    return config
