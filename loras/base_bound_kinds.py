"""The kinds of a LoRA file that are no plain sum on a weight: norms, biases, and what depends on the base's own weight.

DoRA, OFT and BOFT are functions of the weight that they change, so they can be baked into a model but not be added up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from foundation.errors import LoraFileError
from foundation.typed.typed_torch import inv, vector_norm
from loras.module_kinds import Additive, Module


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
