"""A frozen Linear and its adapter as one product: float32 on a CPU, where products are cheap beside passes over memory.

x (W + s U D)^T + b = x W^T + b + s ((x D^T) U^T). The right side, as PEFT computes it, reads and writes the whole
output twice more and keeps the middle; the left side costs one small product of the factors.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainer.cpu_layers import has_onednn, is_intels, pointwise


def merges(given: Tensor, weight: Tensor, down: Tensor) -> bool:
    """Whether `adapted_product` may stand for the product and its adapter: in half precision it may not, for there a
    small move of the weight would be rounded away.
    """
    on_cpu = given.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    return on_cpu and given.dtype == weight.dtype == down.dtype == torch.float32


def adapted_product(
    given: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
) -> Tensor:
    """given (..., in) times weight (out, in) + scale * up (out, r) @ down (r, in), transposed, + bias (out,).

    Gradients reach `given`, `down` and `up`; `weight` and `bias` are frozen.
    """
    if has_onednn() and not is_intels():
        return _AdaptedProduct.apply(given, weight, bias, down, up, scale)  # pyright: ignore[reportReturnType]
    # The gradient of the sum is made as well, and still this is faster where MKL is fast: torch goes back through it
    # without Python, whose lock the threads of a batch's parts (`trainer.batch_parts`) would wait for.
    return functional.linear(given, torch.addmm(weight, up, down, alpha=scale), bias)


class _AdaptedProduct(torch.autograd.Function):
    """The same by oneDNN. The gradients of the factors are taken without forming that of their product."""

    @staticmethod
    def forward(
        ctx: Any, given: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        ctx.save_for_backward(given, weight, down, up)
        ctx.scale = scale
        return pointwise(given, torch.addmm(weight, up, down, alpha=scale), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None, Tensor, Tensor, None]:
        given, weight, down, up = ctx.saved_tensors
        gradient, of_given = gradients[0].contiguous(), None
        if ctx.needs_input_grad[0]:
            # The merged weight is made anew rather than kept: all of them together are as large as the model.
            merged = torch.addmm(weight.t(), down.t(), up.t(), alpha=ctx.scale)
            of_given = pointwise(gradient, merged, None)
        rows, answers = given.reshape(-1, given.shape[-1]), gradient.view(-1, gradient.shape[-1])
        of_down = torch.mm(torch.mm(answers, up).t(), rows)
        of_up = torch.mm(answers.t(), torch.mm(rows, down.t()))
        if ctx.scale != 1:
            of_down, of_up = of_down.mul_(ctx.scale), of_up.mul_(ctx.scale)
        return of_given, None, None, of_down, of_up, None
