"""Layers that torch computes slowly on a CPU, computed as well and faster.

torch hands float32 products to MKL; oneDNN, which torch ships for convolutions and bfloat16, is faster on processors
that are not Intel's: on an AMD EPYC twice as fast with one version of torch, and with a later one by 5 to 45 %. What is
computed is the same product in the same type; sums are taken in another order. Group norms and attention in bfloat16
are slower than in float32 (norms with channels last five times): they are computed in float32 and rounded once.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn


def use_onednn(model: nn.Module) -> None:
    """Have every plain Linear of `model` compute as `linear` does, in place."""
    for module in model.modules():
        if type(module) is nn.Linear:
            setattr(module, "forward", partial(_forward, module))  # noqa: B010 (what a module's own annotation forbids)


def linear(given: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """given (..., in) @ weight (out, in) transposed + bias (out,): in float32 on a CPU by oneDNN, where torch has it.

    Gradients reach the input; a weight that is trained is left to torch.
    """
    fits = given.device.type == "cpu" and given.dtype == weight.dtype == torch.float32
    if not fits or weight.requires_grad or not has_onednn() or torch.is_autocast_enabled("cpu"):
        return nn.functional.linear(given, weight, bias)
    if torch.is_grad_enabled() and given.requires_grad:
        return _FrozenLinear.apply(given, weight, bias)  # pyright: ignore[reportReturnType]
    return pointwise(given, weight, bias)


@cache
def has_onednn() -> bool:
    """Whether this torch carries oneDNN's plain product."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def pointwise(given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """given (..., in) @ weight (out, in) transposed + bias, by oneDNN, without a gradient."""
    return torch.ops.mkldnn._linear_pointwise(given, weight, bias, "none", [], "")


def norms_in_float32(model: nn.Module) -> None:
    """Have every GroupNorm of `model` compute half precision on a CPU in float32, in place; elsewhere as before."""
    for module in model.modules():
        if type(module) is nn.GroupNorm and module.affine:
            setattr(module, "forward", partial(_group_norm, module))  # noqa: B010 (as above)


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(query key^T / sqrt(width)) value, each (N, heads, tokens, width), in the type of `query`.

    Half precision on a CPU is computed in float32; keys and values that are kept can be handed over in it already.
    """
    wide = computed_in(query)
    answer = nn.functional.scaled_dot_product_attention(query.to(wide), key.to(wide), value.to(wide))
    return answer.to(query.dtype)


def computed_in(given: Tensor) -> torch.dtype:
    """The type that norms and attention of `given` are computed in."""
    return torch.float32 if given.device.type == "cpu" and given.dtype != torch.float64 else given.dtype


def _group_norm(layer: nn.GroupNorm, given: Tensor) -> Tensor:
    wide = computed_in(given)
    weight, bias = (one.to(wide) for one in (layer.weight, layer.bias))
    return nn.functional.group_norm(given.to(wide), layer.num_groups, weight, bias, layer.eps).to(given.dtype)


def _forward(layer: nn.Linear, given: Tensor) -> Tensor:
    return linear(given, layer.weight, layer.bias)


class _FrozenLinear(torch.autograd.Function):
    """The product with a weight that is not trained: only its input gets a gradient."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return pointwise(given, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return pointwise(gradients[0].contiguous(), weight.t().contiguous(), None), None, None
