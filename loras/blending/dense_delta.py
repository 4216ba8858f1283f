"""The best low-rank approximation of a whole delta, from the Gram matrix of its shorter side.

delta delta' = V S^2 V', so V' delta has the right singular vectors, scaled, for its rows, and V_r V_r' delta is the
best approximation of rank r (Eckart & Young 1936). One symmetric eigenproblem in float64 of the shorter side, where a
singular value decomposition takes many times as long. Squaring costs half the digits: singular values below 1e-7 of the
largest are noise, and are cut off.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from foundation.typed.typed_torch import eigh
from loras.low_rank import NOISE
from loras.module_kinds import LoraModule


@dataclass(frozen=True)
class DenseDelta:
    """A delta (out, in[, k, k]), float32; its singular values (float64, descending, above the noise); the singular
    vectors of its shorter side, (side, n), float64."""

    delta: Tensor
    values: Tensor
    _vectors: Tensor

    @classmethod
    def of(cls, delta: Tensor) -> DenseDelta:
        """Decompose a delta (out, in[, k, k]) of any floating type, in float64."""
        flat = delta.flatten(1).double()
        gram = flat @ flat.T if len(flat) <= flat.shape[1] else flat.T @ flat
        squared, vectors = eigh(gram)
        squared, vectors = squared.flip(0), vectors.flip(1)
        kept = squared > NOISE * squared[0].clamp_min(torch.finfo(torch.float64).tiny)
        return cls(delta.float(), squared[kept].sqrt(), vectors[:, kept])

    def truncated(self, rank: int) -> LoraModule:
        """The best approximation of at most `rank`, alpha = its rank, the singular values' roots on both factors."""
        rank = min(rank, len(self.values))
        if rank == 0:
            return zero_module(self.delta.shape)
        flat, vectors, roots = self.delta.flatten(1).double(), self._vectors[:, :rank], self.values[:rank].sqrt()
        if len(flat) <= flat.shape[1]:
            up, down = vectors * roots, (vectors.T @ flat) / roots[:, None]
        else:
            up, down = (flat @ vectors) / roots, vectors.T * roots[:, None]
        return _module(up.float(), down.float(), self.delta.shape)


def zero_module(shape: torch.Size | tuple[int, ...]) -> LoraModule:
    """A delta of zero for a weight of `shape`, of rank 1."""
    columns = 1
    for side in shape[1:]:
        columns *= side
    return _module(torch.zeros(shape[0], 1), torch.zeros(1, columns), shape)


def _module(up: Tensor, down: Tensor, shape: torch.Size | tuple[int, ...]) -> LoraModule:
    rank, ones = down.shape[0], [1] * (len(shape) - 2)
    return LoraModule(down.reshape(rank, *shape[1:]), up.reshape(shape[0], rank, *ones), float(rank))
