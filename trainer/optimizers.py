"""Optimizers by their configured name; 8-bit Adam only where it really steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

# bitsandbytes keeps 32-bit states for tensors below this size, so a smaller trial would prove nothing.
SMALLEST_8BIT = 4096


@dataclass(frozen=True)
class Group:
    """Parameters that share a learning rate."""

    parameters: list[nn.Parameter]
    lr: float


@dataclass(frozen=True)
class Built:
    """`kind` is what was made, as kohya writes it into `ss_optimizer`; `note` says why it is not what was asked for."""

    optimizer: torch.optim.Optimizer
    kind: str
    note: str | None = None


def build_optimizer(name: str, groups: list[Group]) -> Built:
    """The optimizer called `name` over `groups`, in their order (AdamW in 32 bits where 8-bit Adam cannot step)."""
    return MAKERS[name]([{"params": group.parameters, "lr": group.lr} for group in groups])


def steps_in_8_bits(device: torch.device) -> str | None:
    """None when bitsandbytes' AdamW8bit updates a parameter on `device` as Adam would; else the reason it does not."""
    parameter = nn.Parameter(torch.zeros(SMALLEST_8BIT, device=device))
    parameter.grad = torch.ones_like(parameter)
    try:
        from bitsandbytes.optim.adamw import AdamW8bit

        AdamW8bit([parameter], lr=0.01).step()
    except (
        Exception
    ) as error:  # a missing library, a missing kernel, an unknown device: whatever it is, it does not step
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    # Adam's first step is the learning rate itself, whatever the gradient.
    if not torch.allclose(parameter.detach(), torch.tensor(-0.01, device=device), rtol=0.1):
        return "a trial step came out wrong"
    return None


def _adamw(groups: list[dict[str, object]]) -> Built:
    return Built(torch.optim.AdamW(groups), "torch.optim.adamw.AdamW")


def _adamw_8bit(groups: list[dict[str, object]]) -> Built:
    parameters = groups[0]["params"]
    assert isinstance(parameters, list)
    if reason := steps_in_8_bits(parameters[0].device):
        plain = _adamw(groups)
        note = f"AdamW8bit does not work here ({reason}); AdamW is used, which learns the same with more memory"
        return Built(plain.optimizer, plain.kind, note)
    from bitsandbytes.optim.adamw import AdamW8bit

    return Built(AdamW8bit(groups), "bitsandbytes.optim.adamw.AdamW8bit")


MAKERS: dict[str, Callable[[list[dict[str, object]]], Built]] = {"AdamW": _adamw, "AdamW8bit": _adamw_8bit}
