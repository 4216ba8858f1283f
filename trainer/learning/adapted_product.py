"""A frozen Linear and its adapter as one product: float32 on a CPU, where products are cheap beside passes over memory.

x (W + s U D)^T + b = x W^T + b + s ((x D^T) U^T). The right side, as PEFT computes it, reads and writes the whole
output twice more and keeps the middle; the left side costs one small product of the factors. On the way back the
gradient of the sum is made as well, and still this is faster than a function of our own that goes without it: torch
goes back through its own operations without Python, whose lock the threads of a batch's parts
(`trainer.learning.batch_parts`) would wait for.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


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
    return functional.linear(given, torch.addmm(weight, up, down, alpha=scale), bias)
