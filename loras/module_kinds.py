"""What a LoRA file can hold for one module of a model: each kind with its factors, its delta, its exact low rank.

Kinds are those of kohya-ss/sd-scripts, LyCORIS, PEFT and ComfyUI. Most only *add* to a weight: their delta needs no
base model, and each has an exact low-rank form, so blends never need a full matrix. The kinds that
need the base's weight are in `loras.base_bound_kinds`.

Shapes: a weight is (out, in) or (out, in, k, k). Factors of LoHa and LoKr for a convolution may be flat, with
in * k * k columns; `kernel` then says what the columns stand for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from foundation.errors import LoraFileError

Kernel = tuple[int, ...]


class Module(ABC):
    """One module's part of a LoRA file. `strength` is the weight a user gives the LoRA; 1 is the file as trained."""

    kind: ClassVar[str]

    @property
    def bias(self) -> Tensor | None:
        """What the module's bias moves by, (out,), where the file says so."""
        return None

    @abstractmethod
    def moved(self, weight: Tensor, strength: float = 1.0) -> Tensor:
        """`weight` with the LoRA on it, float32, in the weight's shape. Raises LoraFileError where shapes differ."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """The module's tensors by kohya's and LyCORIS' suffix, without alpha."""

    @property
    def stored_alpha(self) -> float | None:
        """The alpha that a file has to hold, or None where the kind has none."""
        return None


class Additive(Module):
    """A kind that adds a delta which does not depend on the base model."""

    @abstractmethod
    def delta(self) -> Tensor:
        """What the weight moves by at strength 1, float32, (out, in[, k, k])."""

    @abstractmethod
    def low_rank(self) -> LoraModule:
        """The same delta as plain factors, exactly (up to float32's rounding), without building it."""

    def moved(self, weight: Tensor, strength: float = 1.0) -> Tensor:
        delta = self.delta()
        if delta.numel() != weight.numel() or delta.shape[0] != weight.shape[0]:
            raise LoraFileError(f"a delta of shape {tuple(delta.shape)} does not fit a weight of {tuple(weight.shape)}")
        return weight.float() + strength * delta.reshape(weight.shape)


@dataclass(frozen=True)
class LoraModule(Additive):
    """Plain factors: `down` (r, in[, k, k]), `up` (out, r[, 1, 1]); the weight moves by alpha / r up @ down."""

    down: Tensor
    up: Tensor
    alpha: float
    kind: ClassVar[str] = "lora"

    @property
    def rank(self) -> int:
        """r, the factors' inner width."""
        return self.down.shape[0]

    @property
    def scale(self) -> float:
        """alpha / rank, which the product of the factors is multiplied by."""
        return self.alpha / self.rank

    @property
    def stored_alpha(self) -> float:
        return self.alpha

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the weight that it moves."""
        return self.up.shape[0], *self.down.shape[1:]

    def product(self) -> Tensor:
        """up @ down, (out, in[ * k * k]) float32: what of the delta does not depend on alpha."""
        return self.up.float().flatten(1) @ self.down.float().flatten(1)

    def delta(self) -> Tensor:
        return (self.product() * self.scale).reshape(self.shape)

    def low_rank(self) -> LoraModule:
        return self

    def with_alpha(self, alpha: float) -> LoraModule:
        """The same delta with another alpha, the factor's root on both factors; itself where it has that alpha."""
        factor = self.alpha / alpha
        if factor == 1.0:
            return self
        root = abs(factor) ** 0.5
        return LoraModule(self.down.float() * root, self.up.float() * (root if factor > 0 else -root), alpha)

    def tensors(self) -> dict[str, Tensor]:
        return {"lora_down.weight": self.down, "lora_up.weight": self.up}


@dataclass(frozen=True)
class TuckerModule(Additive):
    """LyCORIS' LoCon with a core: `down` (r, in, 1, 1), `mid` (r, r, k, k), `up` (out, r, 1, 1)."""

    down: Tensor
    mid: Tensor
    up: Tensor
    alpha: float
    kind: ClassVar[str] = "tucker"

    @property
    def stored_alpha(self) -> float:
        return self.alpha

    def low_rank(self) -> LoraModule:
        down = torch.einsum("mn...,ni->mi...", self.mid.float(), self.down.float().flatten(1))
        return LoraModule(down, self.up, self.alpha)

    def delta(self) -> Tensor:
        return self.low_rank().delta()

    def tensors(self) -> dict[str, Tensor]:
        return {"lora_down.weight": self.down, "lora_mid.weight": self.mid, "lora_up.weight": self.up}


@dataclass(frozen=True)
class HadamardHalf:
    """One of the two products that a LoHa multiplies: `a` (out, r) @ `b` (r, columns); with a core `t` (r, r, k, k),
    `a` is (r, out) and `b` (r, in)."""

    a: Tensor
    b: Tensor
    t: Tensor | None = None

    @property
    def rank(self) -> int:
        """r, the product's inner width."""
        return self.b.shape[0]

    def factors(self) -> tuple[Tensor, Tensor]:
        """(out, r) and (r, columns), float32."""
        if self.t is None:
            return self.a.float().flatten(1), self.b.float().flatten(1)
        core = torch.einsum("ij...,jc->ic...", self.t.float(), self.b.float())
        return self.a.float().T.contiguous(), core.flatten(1)


@dataclass(frozen=True)
class LohaModule(Additive):
    """Hadamard product (Hyeon-Woo et al. 2021, "FedPara"): delta = alpha / r (w1_a @ w1_b) * (w2_a @ w2_b)."""

    first: HadamardHalf
    second: HadamardHalf
    alpha: float
    kernel: Kernel = ()
    kind: ClassVar[str] = "loha"

    @property
    def stored_alpha(self) -> float:
        return self.alpha

    @property
    def scale(self) -> float:
        """alpha / rank; both halves have one rank."""
        return self.alpha / self.first.rank

    def delta(self) -> Tensor:
        (a1, b1), (a2, b2) = self.first.factors(), self.second.factors()
        return _unflattened((a1 @ b1) * (a2 @ b2) * self.scale, self._kernel())

    def low_rank(self) -> LoraModule:
        """Rank r1 r2: (sum_i a_i b_i) * (sum_j c_j d_j) is the sum over i, j of (a_i c_j) (b_i d_j)."""
        (a1, b1), (a2, b2) = self.first.factors(), self.second.factors()
        up = torch.einsum("oi,oj->oij", a1, a2).flatten(1)
        down = torch.einsum("ic,jc->ijc", b1, b2).flatten(0, 1)
        return _scaled(up, down, self.scale, self._kernel())

    def _kernel(self) -> Kernel:
        return tuple(self.first.t.shape[2:]) if self.first.t is not None else self.kernel

    def tensors(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for number, half in ((1, self.first), (2, self.second)):
            found |= {f"hada_w{number}_a": half.a, f"hada_w{number}_b": half.b}
            if half.t is not None:
                found[f"hada_t{number}"] = half.t
        return found


@dataclass(frozen=True)
class KroneckerHalf:
    """One factor of a LoKr: whole (`w`), `a` @ `b`, or with a core `t` (r, r, k, k): `a` is (r, out), `b` (r, in)."""

    w: Tensor | None = None
    a: Tensor | None = None
    b: Tensor | None = None
    t: Tensor | None = None

    @property
    def rank(self) -> int | None:
        """r of a factored half; None for a whole one."""
        return None if self.b is None else self.b.shape[0]

    @property
    def kernel(self) -> Kernel:
        """The kernel that the tensors themselves tell; () where they are flat."""
        whole = self.t if self.t is not None else self.w
        return () if whole is None else tuple(whole.shape[2:])

    def factors(self) -> tuple[Tensor, Tensor]:
        """(out, n) and (n, columns), float32, whose product is the factor; n is at most either side."""
        if self.w is not None:
            whole = self.w.float().flatten(1)
            rows, columns = whole.shape
            return (torch.eye(rows), whole) if rows <= columns else (whole, torch.eye(columns))
        if self.a is None or self.b is None:
            raise LoraFileError("half a LoKr factor")
        if self.t is None:
            return self.a.float().flatten(1), self.b.float().flatten(1)
        core = torch.einsum("ij...,jc->ic...", self.t.float(), self.b.float())
        return self.a.float().T.contiguous(), core.flatten(1)

    def whole(self) -> Tensor:
        """The factor as a matrix (out, columns), float32."""
        left, right = self.factors()
        return left @ right

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Its tensors by LyCORIS' suffix; `name` is "lokr_w1" or "lokr_w2"."""
        parts = {name: self.w, f"{name}_a": self.a, f"{name}_b": self.b, f"lokr_t{name[-1]}": self.t}
        return {suffix: tensor for suffix, tensor in parts.items() if tensor is not None}


@dataclass(frozen=True)
class LokrModule(Additive):
    """Kronecker product: delta = scale w1 (x) w2; scale: alpha / rank of a factored half, 1 where both are whole."""

    first: KroneckerHalf
    second: KroneckerHalf
    alpha: float
    kernel: Kernel = ()
    kind: ClassVar[str] = "lokr"

    @property
    def stored_alpha(self) -> float:
        return self.alpha

    @property
    def scale(self) -> float:
        """alpha / rank of the second half where it is factored, else of the first; 1 where both are whole (LyCORIS)."""
        rank = self.second.rank or self.first.rank
        return 1.0 if rank is None else self.alpha / rank

    def delta(self) -> Tensor:
        return _unflattened(torch.kron(self.first.whole(), self.second.whole()) * self.scale, self._kernel())

    def low_rank(self) -> LoraModule:
        """(A B) (x) (C D) = (A (x) C) (B (x) D): rank n1 n2, n a half's rank or a whole one's shorter side."""
        (a, b), (c, d) = self.first.factors(), self.second.factors()
        up, down = torch.kron(a.contiguous(), c.contiguous()), torch.kron(b.contiguous(), d.contiguous())
        return _scaled(up, down, self.scale, self._kernel())

    def _kernel(self) -> Kernel:
        return self.second.kernel or self.kernel

    def tensors(self) -> dict[str, Tensor]:
        return {**self.first.tensors("lokr_w1"), **self.second.tensors("lokr_w2")}


@dataclass(frozen=True)
class FullModule(Additive):
    """The delta itself (LyCORIS' `diff`, ComfyUI's `diff`), a weight's or a norm's: any shape."""

    diff: Tensor
    kind: ClassVar[str] = "full"

    def delta(self) -> Tensor:
        return self.diff.float()

    def low_rank(self) -> LoraModule:
        """The delta times an identity: its rank is the shorter side."""
        if self.diff.dim() < 2:
            raise LoraFileError("a norm's or bias' delta is no matrix")
        flat = self.diff.float().flatten(1)
        rows, columns = flat.shape
        if rows <= columns:
            return _scaled(torch.eye(rows), flat, 1.0, tuple(self.diff.shape[2:]))
        return _scaled(flat, torch.eye(columns), 1.0, tuple(self.diff.shape[2:]))

    def tensors(self) -> dict[str, Tensor]:
        return {"diff": self.diff}


def _unflattened(delta: Tensor, kernel: Kernel) -> Tensor:
    return delta.reshape(len(delta), -1, *kernel) if kernel else delta


def _scaled(up: Tensor, down: Tensor, scale: float, kernel: Kernel) -> LoraModule:
    """Plain factors (out, r), (r, columns) as a module of that kernel, `scale` kept in alpha."""
    module = LoraModule(_unflattened(down, kernel), up, scale * down.shape[0])
    return replace(module, up=up.reshape(*up.shape, *[1] * len(kernel)))
