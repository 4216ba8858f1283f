"""The kinds of a LoRA file that are no plain sum on a weight: norms, biases, and what depends on the base's own weight.

DoRA, OFT, BOFT, GLoRA and IA3 are functions of the weight that they change, so they can be baked into a model but not
be added up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from foundation.errors import LoraFileError
from foundation.typed.typed_torch import inv, vector_norm
from loras.module_kinds import Additive, Module

MOST_COLUMNS = 512  # of a wide identity at a time


@dataclass(frozen=True)
class NormModule(Module):
    """What a normalisation's weight and bias move by (LyCORIS' `w_norm`, `b_norm`), (channels,)."""

    weight: Tensor
    shift: Tensor | None = None
    kind: ClassVar[str] = "norm"

    @property
    def bias(self) -> Tensor | None:
        return self.shift

    def moved(self, weight: Tensor, strength: float = 1.0) -> Tensor:
        if self.weight.numel() != weight.numel():
            raise LoraFileError(f"a w_norm of {tuple(self.weight.shape)} does not fit {weight.numel()} channels")
        return weight.float() + strength * self.weight.float().reshape(weight.shape)

    def tensors(self) -> dict[str, Tensor]:
        return {"w_norm": self.weight} | ({} if self.shift is None else {"b_norm": self.shift})


@dataclass(frozen=True)
class BiasedModule(Module):
    """Another kind, with a delta for the module's bias beside it (`diff_b`)."""

    inner: Module | None
    shift: Tensor
    kind: ClassVar[str] = "bias"

    @property
    def bias(self) -> Tensor | None:
        return self.shift

    @property
    def stored_alpha(self) -> float | None:
        return None if self.inner is None else self.inner.stored_alpha

    def moved(self, weight: Tensor, strength: float = 1.0) -> Tensor:
        return weight.float() if self.inner is None else self.inner.moved(weight, strength)

    def tensors(self) -> dict[str, Tensor]:
        return {**({} if self.inner is None else self.inner.tensors()), "diff_b": self.shift}


@dataclass(frozen=True)
class DoraModule(Module):
    """Weight-decomposed (Liu et al. 2024, "DoRA"): magnitude * (W + delta) / |W + delta|.

    The norm runs over everything but the axis along which `magnitude` has its length: (out, 1, ..) or (1, in, ..);
    tools disagree, and the shape decides, as in ComfyUI. At another strength the *change* of the weight is scaled.
    """

    inner: Additive
    magnitude: Tensor
    kind: ClassVar[str] = "dora"

    @property
    def stored_alpha(self) -> float | None:
        return self.inner.stored_alpha

    def moved(self, weight: Tensor, strength: float = 1.0) -> Tensor:
        pristine = weight.float()
        directed = self.inner.moved(pristine)
        axis = 0 if self.magnitude.shape[0] == weight.shape[0] else 1
        if self.magnitude.numel() != weight.shape[axis]:
            raise LoraFileError(
                f"a dora_scale of {tuple(self.magnitude.shape)} does not fit a weight of {tuple(weight.shape)}"
            )
        others = [dim for dim in range(weight.dim()) if dim != axis]
        norm = vector_norm(directed, dim=others, keepdim=True).clamp_min(torch.finfo(torch.float32).eps)
        return pristine + strength * (self.magnitude.float().reshape(norm.shape) / norm * directed - pristine)

    def tensors(self) -> dict[str, Tensor]:
        return {**self.inner.tensors(), "dora_scale": self.magnitude}


@dataclass(frozen=True)
class OftModule(Module):
    """Orthogonal (Qiu et al. 2023, "OFT"; Liu et al. 2023, "BOFT"): W is turned, block by block, along its outputs.

    `blocks` is (blocks, b, b), or (stages, blocks, b, b) for BOFT's butterflies. `constraint` bounds the skew part's
    norm, per output (kohya's alpha). At another strength every rotation is interpolated towards the identity, as
    LyCORIS does.
    """

    blocks: Tensor
    constraint: float
    rescale: Tensor | None = None

    @property
    def kind(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """ "oft", or "boft" where the blocks come in stages."""
        return "oft" if self.blocks.dim() == 3 else "boft"

    @property
    def stored_alpha(self) -> float:
        return self.constraint

    def moved(self, weight: Tensor, strength: float = 1.0) -> Tensor:
        size = self.blocks.shape[-1]
        if self.blocks.shape[-3] * size != weight.shape[0]:
            raise LoraFileError(
                f"oft_blocks of {tuple(self.blocks.shape)} do not fit a weight of {tuple(weight.shape)}"
            )
        if self.rescale is not None and self.rescale.numel() != weight.shape[0]:
            raise LoraFileError(f"a rescale of {tuple(self.rescale.shape)} does not fit {weight.shape[0]} outputs")
        turns = self._rotations(weight.shape[0])
        turns = strength * turns + (1 - strength) * torch.eye(size)
        turned = self._turned(weight.float().flatten(1), turns).reshape(weight.shape)
        return turned if self.rescale is None else turned * self.rescale.float().reshape(-1, *[1] * (weight.dim() - 1))

    def turning(self) -> float:
        """The squared distance between an orthonormal weight of these outputs and the same one turned."""
        outputs = self.blocks.shape[-3] * self.blocks.shape[-1]
        if self.blocks.dim() == 3:
            turned = self._rotations(outputs).transpose(-1, -2)
            if self.rescale is not None:
                turned = turned * self.rescale.float().reshape(*turned.shape[:2], 1)
            return vector_norm((turned - torch.eye(turned.shape[-1])).double()).item() ** 2
        # Columns are turned each by itself, so that no whole identity of a wide layer is needed.
        starts = range(0, outputs, MOST_COLUMNS)
        pieces = (torch.eye(outputs, min(MOST_COLUMNS, outputs - start)).roll(start, 0) for start in starts)
        return sum(vector_norm((self.moved(piece) - piece).double()).item() ** 2 for piece in pieces)

    def _rotations(self, outputs: int) -> Tensor:
        """Cayley's transform of the skew part, bounded in norm."""
        skew = self.blocks.float() - self.blocks.float().transpose(-1, -2)
        norm, bound = vector_norm(skew) + 1e-8, self.constraint * outputs
        if 0 < bound < norm:
            skew = skew * (bound / norm)
        one = torch.eye(skew.shape[-1])
        return (one + skew) @ inv(one - skew)

    def _turned(self, rows: Tensor, turns: Tensor) -> Tensor:
        if self.blocks.dim() == 3:
            blocked = rows.reshape(*self.blocks.shape[:2], -1)
            return torch.einsum("knm,knc->kmc", turns, blocked).flatten(0, 1)
        columns = rows.shape[1]
        for stage, turn in enumerate(turns):
            # Stage i mixes rows that lie 2^i half-blocks apart: bring partners together, turn, put them back.
            reach = 2**stage * (turn.shape[-1] // 2)
            paired = rows.reshape(-1, 2, reach, columns).transpose(1, 2).reshape(-1, turn.shape[-1], columns)
            mixed = torch.einsum("kij,kjc->kic", turn, paired).flatten(0, 1)
            rows = mixed.reshape(-1, reach, 2, columns).transpose(1, 2).reshape(-1, columns)
        return rows

    def tensors(self) -> dict[str, Tensor]:
        return {"oft_blocks": self.blocks} | ({} if self.rescale is None else {"rescale": self.rescale})


@dataclass(frozen=True)
class GloraModule(Module):
    """Generalised (Chavan et al. 2023, "One-for-All", as LyCORIS has it): alpha / r (W a1 a2 + b1 b2) is added.

    `a1` (in, r), `a2` (r, in), `b1` (out, r), `b2` (r, in[, k, k]).
    """

    a1: Tensor
    a2: Tensor
    b1: Tensor
    b2: Tensor
    alpha: float
    kind: ClassVar[str] = "glora"

    @property
    def stored_alpha(self) -> float:
        return self.alpha

    @property
    def rank(self) -> int:
        """r, the factors' inner width."""
        return self.a2.shape[0]

    @property
    def scale(self) -> float:
        """alpha / rank, which both summands are multiplied by."""
        return self.alpha / self.rank

    def moved(self, weight: Tensor, strength: float = 1.0) -> Tensor:
        pristine = weight.float()
        if self.b1.shape[0] != weight.shape[0] or self.a1.shape[0] != weight.shape[1]:
            raise LoraFileError(f"a GLoRA of {tuple(self.b1.shape)} does not fit a weight of {tuple(weight.shape)}")
        added = (self.b1.float().flatten(1) @ self.b2.float().flatten(1)).reshape(weight.shape)
        mixing = self.a1.float().flatten(1) @ self.a2.float().flatten(1)
        return pristine + strength * self.scale * (torch.einsum("oi...,ij->oj...", pristine, mixing) + added)

    def tensors(self) -> dict[str, Tensor]:
        return {"a1.weight": self.a1, "a2.weight": self.a2, "b1.weight": self.b1, "b2.weight": self.b2}


@dataclass(frozen=True)
class Ia3Module(Module):
    """Scaled activations (Liu et al. 2022, "IA3", as LyCORIS has it): W times 1 + w, along its outputs or inputs."""

    factors: Tensor
    on_input: bool
    kind: ClassVar[str] = "ia3"

    def moved(self, weight: Tensor, strength: float = 1.0) -> Tensor:
        axis = 1 if self.on_input else 0
        if self.factors.numel() != weight.shape[axis]:
            raise LoraFileError(f"an IA3 of {self.factors.numel()} does not fit a weight of {tuple(weight.shape)}")
        sides = [self.factors.numel() if at == axis else 1 for at in range(weight.dim())]
        return weight.float() * (1 + strength * self.factors.float().reshape(sides))

    def tensors(self) -> dict[str, Tensor]:
        return {"weight": self.factors, "on_input": torch.tensor(int(self.on_input))}
