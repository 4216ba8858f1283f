"""The trained weights twice: what the model computes with, and the candidates that the optimizer writes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# Views of one buffer start at multiples of this many elements, as vector loads of GPU kernels want it.
ALIGNMENT = 64


class GuardedWeights:
    """A step's result reaches the model only once it was looked at.

    The optimizer owns `candidates`, twins of the model's `live` parameters, and updates them from the same gradients.
    `accept` then copies them over where a flag on the device allows it, so that a check costs two passes over the
    adapters' weights and never waits for the device.
    """

    def __init__(self, live: Sequence[nn.Parameter]) -> None:
        self.live = list(live)
        self._live, views = _flattened(self.live)
        self._candidates = self._live.clone()
        self.candidates = [nn.Parameter(self._candidates[where].view(one.shape)) for where, one in views]
        for where, parameter in views:
            parameter.data = self._live[where].view(parameter.shape)

    def twins_of(self, parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
        """The candidates of some live parameters, in their order."""
        twins = {id(live): candidate for live, candidate in zip(self.live, self.candidates, strict=True)}
        return [twins[id(parameter)] for parameter in parameters]

    def clear_gradients(self) -> None:
        for parameter in (*self.live, *self.candidates):
            parameter.grad = None

    def gradients(self) -> list[Tensor]:
        """Those that there are; from now on the candidates have them too."""
        for live, candidate in zip(self.live, self.candidates, strict=True):
            candidate.grad = live.grad
        return [parameter.grad for parameter in self.live if parameter.grad is not None]

    @torch.no_grad()
    def accept(self, allowed: Tensor) -> Tensor:
        """Make the candidates live where they are finite and `allowed` (a flag, 0-dim); returns whether they were."""
        allowed = allowed & self._candidates.sum().isfinite()
        torch.where(allowed, self._candidates, self._live, out=self._live)
        return allowed

    def copy(self) -> Tensor:
        """The live weights as one vector."""
        return self._live.clone()

    @torch.no_grad()
    def restore(self, weights: Tensor) -> None:
        """Put a `copy` back, as live weights and as candidates."""
        self._live.copy_(weights)
        self._candidates.copy_(weights)


def _flattened(parameters: Sequence[nn.Parameter]) -> tuple[Tensor, list[tuple[slice, nn.Parameter]]]:
    views: list[tuple[slice, nn.Parameter]] = []
    end = 0
    for parameter in parameters:
        views.append((slice(end, end + parameter.numel()), parameter))
        end += -(-parameter.numel() // ALIGNMENT) * ALIGNMENT
    flat = torch.zeros(end, dtype=torch.float32, device=parameters[0].device)
    for where, parameter in views:
        flat[where] = parameter.detach().flatten()
    return flat, views
