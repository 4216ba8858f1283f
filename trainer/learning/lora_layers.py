"""PEFT's LoRA layers with kohya's dropouts, and with fewer passes over the activations.

PEFT multiplies and adds a whole output for every adapter. Here base and adapter are one product where that is exact
enough and faster (`adapted_product`); elsewhere the scale goes onto the r-wide middle, and the sum is part of the
second product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from peft import LoraConfig
from peft.tuners.lora import Conv2d as PeftConv2d
from peft.tuners.lora import Linear as PeftLinear
from torch import Tensor, nn
from torch.nn import functional

from base_models.onednn_layers import linear
from trainer.learning.adapted_product import adapted_product, merges

if TYPE_CHECKING:
    from trainer.config.config import LoraSection

ADAPTER = "default"


@dataclass(frozen=True)
class Dropouts:
    """kohya's three: of the middle's single values, of whole ranks (by sample), and of the whole module."""

    values: float = 0.0
    ranks: float = 0.0
    module: float = 0.0

    @classmethod
    def of(cls, lora: LoraSection) -> Dropouts:
        """As a run's configuration has them."""
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

    @property
    def touch_the_middle(self) -> bool:
        """Whether the r values between the factors are changed, so that base and adapter are no single product."""
        return self.values > 0 or self.ranks > 0

    def leaves_out_module(self) -> bool:
        """Drawn at each call, from torch's own generator on the CPU: whether it does without the adapter."""
        return self.module > 0 and bool(torch.rand(1) < self.module)


NO_DROPOUT = Dropouts()


class LeanLinear(PeftLinear):
    """base(x) + scale * up(down(x)). Dropouts act only where a gradient is wanted."""

    dropouts = NO_DROPOUT
    scaling: dict[str, float]

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """(..., in) -> (..., out). What else PEFT passes on is not read."""
        dropouts = _acting(self, self.dropouts)
        return self.base_layer(x) if dropouts is None else _adapted(self, dropouts, x)


class LeanConv2d(PeftConv2d):
    """base(x) + scale * up(down(x)): down has the base's kernel, up is 1x1. Dropouts as in `LeanLinear`."""

    dropouts = NO_DROPOUT
    scaling: dict[str, float]

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """(N, in, h, w) -> (N, out, h, w) of the base. What else PEFT passes on is not read."""
        dropouts = _acting(self, self.dropouts)
        if dropouts is None:
            return self.base_layer(x)
        if _is_product(self.base_layer):
            # On a CPU torch computes such a convolution several times slower than a product over channels.
            return _adapted(self, dropouts, x.movedim(1, -1)).movedim(-1, 1)
        down, up = (self.get_submodule(f"lora_{factor}.{ADAPTER}") for factor in "AB")
        middle, scale = dropouts.middle(down(x), 1), self.scaling[ADAPTER]
        return self.base_layer(x) + up(middle if scale == 1 else middle * scale)


def _is_product(layer: nn.Module) -> bool:
    """A 1x1 convolution that takes every place by itself."""
    plain = isinstance(layer, nn.Conv2d) and layer.kernel_size == layer.stride == (1, 1) and layer.groups == 1
    return plain and layer.padding == (0, 0)


def _acting(layer: LeanLinear | LeanConv2d, dropouts: Dropouts) -> Dropouts | None:
    """The dropouts of this call, or None where the base answers alone."""
    chosen = dropouts if torch.is_grad_enabled() else NO_DROPOUT
    return None if layer.disable_adapters or chosen.leaves_out_module() else chosen


def _adapted(layer: LeanLinear | LeanConv2d, dropouts: Dropouts, x: Tensor) -> Tensor:
    """base(x) + scale * up(down(x)) of a Linear, or of a 1x1 convolution over channels, for x (..., in)."""
    base, scale = cast(nn.Linear, layer.base_layer), layer.scaling[ADAPTER]
    down, up = (cast(nn.Linear, factors[ADAPTER]).weight.flatten(1) for factors in (layer.lora_A, layer.lora_B))
    weight, bias = base.weight.flatten(1), cast("Tensor | None", base.bias)
    if not dropouts.touch_the_middle and merges(x, weight, down):
        return adapted_product(x, weight, bias, down, up, scale)
    result = linear(x, weight, bias)
    middle = dropouts.middle(functional.linear(x, down), -1)
    middle = middle if scale == 1 else middle * scale
    if result.dtype != up.dtype:  # under autocast the products choose their type
        return result + functional.linear(middle, up)
    flat = torch.addmm(result.flatten(0, -2), middle.flatten(0, -2), up.t())
    return flat.view(result.shape)


def lean(config: LoraConfig, dropouts: Dropouts) -> LoraConfig:
    """`config`, told to make layers of the kinds above."""
    linear = type("DroppingLinear", (LeanLinear,), {"dropouts": dropouts})
    conv = type("DroppingConv2d", (LeanConv2d,), {"dropouts": dropouts})
    # PEFT's own door for layers of one's own; the name says "private", its documentation recommends it.
    config._register_custom_module({nn.Linear: linear, nn.Conv2d: conv})  # pyright: ignore[reportPrivateUsage]
    return config
