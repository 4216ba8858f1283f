"""A module's tensors as a file names them -> the kind they make up, with every missing half and wrong shape named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from foundation.errors import LoraFileError
from loras.base_bound_kinds import BiasedModule, DoraModule, GloraModule, Ia3Module, NormModule, OftModule
from loras.module_kinds import (
    Additive,
    FullModule,
    HadamardHalf,
    Kernel,
    KroneckerHalf,
    LohaModule,
    LokrModule,
    LoraModule,
    Module,
    TuckerModule,
)

# Suffixes of the kinds that exclude one another: a module is of the first whose suffix it has.
_BODIES = {
    "lora_": frozenset(["lora_down.weight", "lora_up.weight", "lora_mid.weight"]),
    "hada_": frozenset(["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"]),
    "lokr_": frozenset(
        ["lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t1", "lokr_t2"]
    ),
    "oft_": frozenset(["oft_blocks", "rescale"]),
    "diff": frozenset(["diff"]),
    "_norm": frozenset(["w_norm", "b_norm"]),
    "glora": frozenset(["a1.weight", "a2.weight", "b1.weight", "b2.weight"]),
    "ia3": frozenset(["ia3_weight", "on_input"]),
}


@dataclass(frozen=True)
class ModuleTensors:
    """One module's tensors by suffix, and where they come from."""

    path: Path
    name: str
    tensors: Mapping[str, Tensor]
    kernel: Kernel

    def need(self, suffix: str) -> Tensor:
        """The tensor of that suffix. Raises LoraFileError where the file lacks it."""
        if suffix not in self.tensors:
            raise LoraFileError(f"{self.path}: `{self.name}.{suffix}` is missing; the file is incomplete")
        return self.tensors[suffix]

    def get(self, suffix: str) -> Tensor | None:
        """The tensor of that suffix, or None."""
        return self.tensors.get(suffix)

    def alpha(self, rank: int) -> float:
        """No alpha means scale 1, so alpha is the rank."""
        alpha = self.tensors.get("alpha")
        if alpha is not None and alpha.numel() != 1:
            raise LoraFileError(f"{self.path}: `{self.name}.alpha` is {tuple(alpha.shape)}; an alpha is one number")
        return float(rank if alpha is None else alpha.item())

    def check(self, fits: bool, *tensors: Tensor | None) -> None:
        """Raise LoraFileError, with the shapes of `tensors`, unless they fit."""
        if not fits:
            shapes = " and ".join(str(tuple(tensor.shape)) for tensor in tensors if tensor is not None)
            raise LoraFileError(f"{self.path}: `{self.name}`: shapes {shapes} do not fit")


def module_from(parts: ModuleTensors) -> Module:
    """Build the module. Raises LoraFileError for a missing half, shapes that do not fit, or mixed kinds."""
    kinds = [kind for kind, suffixes in _BODIES.items() if suffixes & parts.tensors.keys()]
    bias, magnitude = parts.get("diff_b"), parts.get("dora_scale")
    if len(kinds) > 1:
        raise LoraFileError(f"{parts.path}: `{parts.name}` is of several kinds at once ({', '.join(kinds)})")
    if not kinds and bias is None:
        raise LoraFileError(f"{parts.path}: `{parts.name}` has {', '.join(parts.tensors)} but no factors")
    module = _BUILD[kinds[0]](parts) if kinds else None
    if magnitude is not None:
        if not isinstance(module, Additive):
            raise LoraFileError(f"{parts.path}: `{parts.name}.dora_scale` goes with no factors that it could scale")
        module = DoraModule(module, magnitude)
    return module if bias is None and module is not None else BiasedModule(module, parts.need("diff_b"))


def _lora(parts: ModuleTensors) -> Module:
    down, up, mid = parts.need("lora_down.weight"), parts.need("lora_up.weight"), parts.get("lora_mid.weight")
    if down.dim() == 4 and up.dim() == 2:
        up = up.reshape(*up.shape, 1, 1)  # LyCORIS' DyLoRA keeps a convolution's second factor flat
    parts.check(down.dim() in (2, 4) and up.dim() == down.dim() and up.shape[1] == down.shape[0] > 0, down, up)
    parts.check(up.dim() == 2 or up.shape[2:] == (1, 1), down, up)
    alpha = parts.alpha(down.shape[0])
    if mid is None:
        return LoraModule(down, up, alpha)
    parts.check(mid.dim() == down.dim() == 4 and mid.shape[:2] == (up.shape[1], down.shape[0]), down, mid, up)
    parts.check(down.shape[2:] == (1, 1), down)
    return TuckerModule(down, mid, up, alpha)


def _loha(parts: ModuleTensors) -> Module:
    halves: list[HadamardHalf] = []
    for number in (1, 2):
        half = HadamardHalf(
            parts.need(f"hada_w{number}_a"), parts.need(f"hada_w{number}_b"), parts.get(f"hada_t{number}")
        )
        _check_product(parts, half.a, half.b, half.t)
        halves.append(half)
    first, second = halves
    if (first.t is None) != (second.t is None):
        parts.need("hada_t1" if first.t is None else "hada_t2")
    (a1, b1), (a2, b2) = first.factors(), second.factors()
    parts.check(a1.shape[0] == a2.shape[0] and b1.shape[1] == b2.shape[1], first.a, second.a)
    return LohaModule(first, second, parts.alpha(first.rank), _flat_kernel(b1.shape[1], parts.kernel))


def _lokr(parts: ModuleTensors) -> Module:
    halves: list[KroneckerHalf] = []
    for number in (1, 2):
        name = f"lokr_w{number}"
        whole, core = parts.get(name), parts.get(f"lokr_t{number}")
        if whole is not None:
            parts.check(whole.dim() >= 2, whole)
            halves.append(KroneckerHalf(w=whole))
            continue
        if name not in parts.tensors and f"{name}_a" not in parts.tensors and f"{name}_b" not in parts.tensors:
            parts.need(name)
        a, b = parts.need(f"{name}_a"), parts.need(f"{name}_b")
        _check_product(parts, a, b, core)
        halves.append(KroneckerHalf(a=a, b=b, t=core))
    first, second = halves
    rank = second.rank or first.rank or 1
    columns = first.factors()[1].shape[1] * second.factors()[1].shape[1]
    return LokrModule(first, second, parts.alpha(rank), _flat_kernel(columns, parts.kernel))


def _check_product(parts: ModuleTensors, a: Tensor, b: Tensor, core: Tensor | None) -> None:
    """`a` (out, r) @ `b` (r, columns); around a core (r, r, k, k), `a` is (r, out) and both are matrices."""
    parts.check(min(a.dim(), b.dim()) >= 2 and b.shape[0] > 0, a, b)
    if core is None:
        parts.check(a.shape[1] == b.shape[0], a, b)
    else:
        parts.check(core.dim() == 4 and a.dim() == b.dim() == 2 and core.shape[:2] == (len(a), len(b)), a, b, core)


def _flat_kernel(columns: int, kernel: Kernel) -> Kernel:
    """The kernel that a name promises, unless the columns cannot be divided by it."""
    size = 1
    for side in kernel:
        size *= side
    return kernel if columns % size == 0 else ()


def _oft(parts: ModuleTensors) -> Module:
    blocks = parts.need("oft_blocks")
    parts.check(blocks.dim() in (3, 4) and blocks.shape[-1] == blocks.shape[-2], blocks)
    rescale = parts.get("rescale")
    parts.check(rescale is None or rescale.numel() == blocks.shape[-3] * blocks.shape[-1], blocks, rescale)
    return OftModule(blocks, parts.alpha(0), rescale)


def _full(parts: ModuleTensors) -> Module:
    return FullModule(parts.need("diff"))


def _norm(parts: ModuleTensors) -> Module:
    return NormModule(parts.need("w_norm"), parts.get("b_norm"))


def _glora(parts: ModuleTensors) -> Module:
    a1, a2, b1, b2 = (parts.need(f"{name}.weight") for name in ("a1", "a2", "b1", "b2"))
    parts.check(min(a1.dim(), a2.dim(), b1.dim(), b2.dim()) >= 2, a1, a2, b1, b2)
    ranks = {a1.shape[1], a2.shape[0], b1.shape[1], b2.shape[0]}
    parts.check(len(ranks) == 1 and a1.shape[0] == a2.shape[1] == b2.shape[1], a1, a2, b1, b2)
    return GloraModule(a1, a2, b1, b2, parts.alpha(a2.shape[0]))


def _ia3(parts: ModuleTensors) -> Module:
    on_input = parts.need("on_input")
    parts.check(on_input.numel() == 1, on_input)
    return Ia3Module(parts.need("ia3_weight"), bool(on_input.item()))


_BUILD = {
    "lora_": _lora,
    "hada_": _loha,
    "lokr_": _lokr,
    "oft_": _oft,
    "diff": _full,
    "_norm": _norm,
    "glora": _glora,
    "ia3": _ia3,
}
