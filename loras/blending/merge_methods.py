"""TIES and DARE: merges of whole deltas, for LoRAs that disagree; never of A and B separately.

Order: every delta is multiplied by its weight first, then trimmed or dropped, then signs are elected (mergekit's order;
PEFT elects before weighting), so that a LoRA at a small weight has a small vote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from loras.blend import Term

METHODS = ("sum", "ties", "dare")


@dataclass(frozen=True)
class Merge:
    """`method` is "ties" or "dare"; `density` the share of entries that is kept; `seed` chooses dare's."""

    method: str
    density: float
    seed: int = 0

    def merged(self, terms: Sequence[Term], name: str, labels: Sequence[str]) -> Tensor:
        """One module's merged delta, float32. `labels` tell the terms apart for dare's draws, whatever their order."""
        deltas = [term.weight * term.module.delta() for term in terms]
        deltas = [delta.reshape(deltas[0].shape) for delta in deltas]
        if self.method == "ties":
            return ties(deltas, self.density)
        draws = [_draw(self.seed, label, name) for label in labels]
        return torch.stack([dropped(delta, self.density, draw) for delta, draw in zip(deltas, draws, strict=True)]).sum(
            0
        )


def ties(deltas: Sequence[Tensor], density: float) -> Tensor:
    """Yadav et al. 2023, "TIES-Merging": trim, elect the sign of the greater total, mean of those that agree."""
    trimmed = torch.stack([_trimmed(delta, density) for delta in deltas])
    elected = trimmed.sum(0).sign()
    agreeing = (trimmed.sign() == elected) & (trimmed != 0)
    return (trimmed * agreeing).sum(0) / agreeing.sum(0).clamp_min(1)


def _trimmed(delta: Tensor, density: float) -> Tensor:
    """The delta with all but the `density` share of largest entries set to 0."""
    kept = max(1, round(density * delta.numel()))
    if kept == delta.numel():
        return delta
    limit = delta.abs().flatten().kthvalue(delta.numel() - kept + 1).values
    return torch.where(delta.abs() >= limit, delta, torch.zeros_like(delta))


def dropped(delta: Tensor, density: float, draw: torch.Generator) -> Tensor:
    """Yu et al. 2023, "DARE": drop entries at random, divide those that stay by `density`: the mean is unchanged."""
    kept = torch.rand(delta.shape, generator=draw) < density
    return delta * kept / density


def _draw(seed: int, label: str, name: str) -> torch.Generator:
    """A generator of its own for each file and module, so that neither order nor other modules change a draw."""
    digest = hashlib.sha256(f"{seed}\n{label}\n{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
