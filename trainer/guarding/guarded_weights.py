"""The trained weights twice: what the model computes with, and the candidates that the optimizer writes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

# Views of one buffer start at multiples of this many elements, as vector loads of GPU kernels want it.
ALIGNMENT = 64


class GuardedWeights:
    """A step's result reaches the model only once it was looked at.

    The optimizer owns `candidates`, twins of the model's `live` parameters, and updates them from the same gradients.
    `accept` then copies them over where a flag on the device allows it, so that a check costs two passes over the
    adapters' weights and never waits for the device. With a `mean_decay` above 0, an exponential mean of the live
    weights is kept as well.
    """

    def __init__(self, live: Sequence[nn.Parameter], mean_decay: float = 0.0) -> None:
        self.live = list(live)
        self._live, views = _flattened(self.live)
        self._candidates = self._live.clone()
        self._decay, self._mean = mean_decay, self._live.clone() if mean_decay else None
        self.candidates = [nn.Parameter(self._candidates[where].view(one.shape)) for where, one in views]
        for where, parameter in views:
            parameter.data = self._live[where].view(parameter.shape)

    def twins_of(self, parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
        """The candidates of some live parameters, in their order."""
        twins = {id(live): candidate for live, candidate in zip(self.live, self.candidates, strict=True)}
        return [twins[id(parameter)] for parameter in parameters]

    def clear_gradients(self) -> None:
        """Of live weights and candidates; the memory is given back, not filled with zeros."""
        for parameter in (*self.live, *self.candidates):
            parameter.grad = None

    def gradients(self) -> list[Tensor]:
        """Those that there are; from now on the candidates have them too."""
        for live, candidate in zip(self.live, self.candidates, strict=True):
            candidate.grad = live.grad
        return [parameter.grad for parameter in self.live if parameter.grad is not None]

    @torch.no_grad()
    def shorten(self, share: float) -> None:
        """Have the candidates go only this share of their way from the live weights."""
        torch.lerp(self._live, self._candidates, share, out=self._candidates)

    @torch.no_grad()
    def accept(self, allowed: Tensor) -> Tensor:
        """Make the candidates live where they are finite and `allowed` (a flag, 0-dim); returns whether they were."""
        allowed = allowed & self._candidates.sum().isfinite()
        torch.where(allowed, self._candidates, self._live, out=self._live)
        return allowed

    @torch.no_grad()
    def average(self, allowed: Tensor, updates: int) -> None:
        """Move the mean towards the live weights after so many updates, where the last was `allowed` (a flag, 0-dim).

        mean = decay * mean + (1 - decay) * live, with decay no more than (1 + n) / (10 + n) after n updates: else the
        start, where adapters do nothing, would weigh on the mean of a short run (diffusers' `EMAModel` in warm-up,
        TensorFlow's `ExponentialMovingAverage` with `num_updates`).
        """
        if self._mean is not None:
            decay = min(self._decay, (1 + updates) / (10 + updates))
            self._mean.lerp_(self._live, allowed.to(self._mean.dtype) * (1 - decay))

    @contextmanager
    def averaged(self) -> Generator[None]:
        """The mean in the place of the live weights, where one is kept, as long as the block lasts."""
        if self._mean is None:
            yield
            return
        trained = self._live.clone()
        self._live.copy_(self._mean)
        try:
            yield
        finally:
            self._live.copy_(trained)

    def copy(self) -> Tensor:
        """All that is kept of the weights, as one vector: the live ones, then their mean."""
        return self._live.clone() if self._mean is None else torch.cat([self._live, self._mean])

    @torch.no_grad()
    def restore(self, weights: Tensor) -> None:
        """Put a `copy` back, as live weights, as candidates and as their mean."""
        live, mean = weights[: len(self._live)], weights[len(self._live) :]
        self._live.copy_(live)
        self._candidates.copy_(live)
        if self._mean is not None:
            self._mean.copy_(mean)


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
