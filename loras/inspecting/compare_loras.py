"""Two LoRA files against one another: how far they do the same, by block and in all. Low-rank algebra where it pays.

The cosine is that of the two deltas as long vectors, <A, B> / (|A| |B|), and the norm ratio |B| / |A|. Both run over
all modules; one that only one file has counts as 0 in the other. *Shared subspace* is the mean squared cosine of the
principal angles between what the leading k directions of either span, |Qa' Qb|^2 / k, of outputs (columns of up) and
inputs (rows of down): 1 is the same span, and two spans at random share k / width of one another.

Kinds of more than WIDE directions (LoKr, whole deltas, a LoHa of rank 32) are cheaper as matrices, a module at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from base_models.kohya_names import block_of, block_order
from foundation.errors import UserError
from foundation.typed.typed_torch import fork_rng, manual_seed, matrix_norm, qr
from loras.base_bound_kinds import BiasedModule, NormModule
from loras.inspecting.delta_size import WIDE
from loras.lora_file import OpenedLora, open_lora
from loras.low_rank import Product
from loras.module_kinds import Additive, FullModule, LohaModule, LokrModule, Module
from loras.value_checks import check_range

LEADING = 8  # directions compared, at most: further ones carry little, and at high rank cover much by chance
POWER_STEPS, OVERSAMPLED = 2, 16  # of the randomised search for a wide delta's leading directions
# 0.995 is a difference of a tenth of the delta's norm (sqrt(2 - 2 * 0.995)), and 5 % of the strength half of that:
# both well below a step of 0.1 in the weight, the finest that grids are rendered at.
SAME_COSINE, SAME_NORM = 0.995, 0.05
# What a cosine above each of these says; random deltas of a whole file have one within 0.01 of 0.
DIFFERENT = (
    (0.9, "close relatives, as neighbouring epochs of one run are: they differ, but expect similar pictures"),
    (0.2, "related, but different: they share a direction and each adds its own; rendering both tells something"),
    (-0.2, "unrelated: their deltas have next to no direction in common; blended, they hardly interfere"),
    (-1.0, "at odds: each takes back a part of what the other does"),
)


# Factors, or (out, in * k * k) float32 where these would be wider than the whole.
Delta = Product | Tensor


class CompareError(UserError):
    """Two LoRA files that cannot be held against one another."""


@dataclass(frozen=True)
class BlockComparison:
    """A block in both files: |A| and |B|, the cosine (None where a side is 0), and the shared subspaces of outputs
    and inputs over the modules that both files have, with what chance alone would share."""

    block: str
    modules: int
    norm_a: float
    norm_b: float
    cosine: float | None
    shared_outputs: float | None
    shared_inputs: float | None
    shared_by_chance: float | None

    @property
    def norm_ratio(self) -> float | None:
        """|B| / |A|, or None where A does nothing."""
        return self.norm_b / self.norm_a if self.norm_a else None

    @property
    def practically_the_same(self) -> bool:
        """Whether rendering both tells nothing: one direction, at one strength."""
        if self.cosine is None or self.norm_ratio is None:
            return False
        return self.cosine > SAME_COSINE and abs(self.norm_ratio - 1) <= SAME_NORM

    def as_json(self) -> dict[str, object]:
        """Plain values, None where something cannot be told."""
        return {
            "modules": self.modules,
            "norm_a": self.norm_a,
            "norm_b": self.norm_b,
            "norm_ratio": self.norm_ratio,
            "cosine": self.cosine,
            "shared_outputs": self.shared_outputs,
            "shared_inputs": self.shared_inputs,
            "shared_by_chance": self.shared_by_chance,
        }


@dataclass(frozen=True)
class Comparison:
    """Two files compared; `only_a` and `only_b` are the modules that the other file lacks."""

    a: Path
    b: Path
    verdict: str
    total: BlockComparison
    blocks: tuple[BlockComparison, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Plain values, keys as text."""
        return {
            "a": str(self.a),
            "b": str(self.b),
            "verdict": self.verdict,
            **self.total.as_json(),
            "blocks": {block.block: block.as_json() for block in self.blocks},
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
        }


@dataclass(frozen=True)
class _Pair:
    """One module: the inner products of its deltas, and the shared subspaces where both have one."""

    name: str
    aa: float
    bb: float
    ab: float
    shared: tuple[float, float, float] | None = None


def compare_loras(a: Path, b: Path) -> Comparison:
    """Compare two files module by module.

    Raises MissingFileError or LoraFileError for a file that cannot be read, and CompareError for DoRA and OFT, values
    that are not finite, weights of different shapes, or files without a module in common.
    """
    with open_lora(a) as opened_a, open_lora(b) as opened_b:
        names_a, names_b = set(opened_a.names), set(opened_b.names)
        if not names_a & names_b:
            raise CompareError(
                f"{a} and {b} have no module in common: they are for different models or for different parts of one, "
                "so there is nothing to compare"
            )
        pairs = [_pair(name, opened_a, opened_b, names_a, names_b) for name in sorted(names_a | names_b)]
    total = _summed("all", pairs)
    blocks = sorted({block_of(pair.name) for pair in pairs}, key=block_order)
    return Comparison(
        a,
        b,
        verdict_on(total),
        total,
        tuple(_summed(block, [pair for pair in pairs if block_of(pair.name) == block]) for block in blocks),
        tuple(sorted(names_a - names_b)),
        tuple(sorted(names_b - names_a)),
    )


def verdict_on(total: BlockComparison) -> str:
    """What the figures mean for someone who wants to know whether to render both, in a sentence."""
    cosine, ratio = total.cosine, total.norm_ratio
    if cosine is None or ratio is None:
        idle = " and ".join(name for name, norm in (("A", total.norm_a), ("B", total.norm_b)) if norm == 0)
        return f"{idle} moves nothing: every delta is 0, so there is no direction to compare"
    if cosine > SAME_COSINE:
        if total.practically_the_same:
            return "practically the same: rendering both tells nothing"
        return f"the same direction at {ratio:.3g} times the strength: A at weight {ratio:.3g} does what B does at 1"
    if cosine < -SAME_COSINE:
        return f"opposites: B takes back what A does, at {ratio:.3g} times its strength"
    return next(words for least, words in DIFFERENT if cosine > least)


def _pair(name: str, a: OpenedLora, b: OpenedLora, names_a: set[str], names_b: set[str]) -> _Pair:
    of_a = _deltas(a, name) if name in names_a else {}
    of_b = _deltas(b, name) if name in names_b else {}
    aa = sum(_squared_norm(delta) for delta in of_a.values())
    bb = sum(_squared_norm(delta) for delta in of_b.values())
    common = of_a.keys() & of_b.keys()
    for what in common:
        _check_shapes(name, of_a[what], of_b[what], a.path, b.path)
    ab = sum(_inner(of_a[what], of_b[what]) for what in common)
    shared = _shared_subspaces(of_a["weight"], of_b["weight"]) if "weight" in common and aa and bb else None
    return _Pair(name, aa, bb, ab, shared)


def _deltas(opened: OpenedLora, name: str) -> dict[str, Delta]:
    """What the module adds to the weight and to the bias."""
    module = opened.module(name)
    check_range(module, name, opened.path)
    added: dict[str, Delta] = {}
    if module.bias is not None:
        added["bias"] = _column(module.bias)
    core: Module | None = module.inner if isinstance(module, BiasedModule) else module
    if isinstance(core, NormModule):
        added["weight"] = _column(core.weight)
    elif isinstance(core, Additive):
        added["weight"] = _delta(core)
    elif core is not None:
        raise CompareError(
            f"{opened.path}: `{name}` is of the kind {core.kind}, which turns or rescales the base's own weight, so it "
            "has no delta to compare without that base; make a plain LoRA of it with `python -m eval extract` first"
        )
    return added


def _delta(module: Additive) -> Delta:
    """Factors, or the whole where it is a vector or wide."""
    if isinstance(module, FullModule) and module.diff.dim() < 2:
        return _column(module.diff)
    if _directions(module) > WIDE:
        return module.delta().flatten(1)
    return Product.of(module.low_rank()).narrowed()


def _directions(module: Additive) -> int:
    """The rank of its plain factors, told without making them."""
    if isinstance(module, LohaModule):
        return module.first.rank * module.second.rank
    if isinstance(module, LokrModule):
        return module.first.factors()[0].shape[1] * module.second.factors()[0].shape[1]
    return min(len(module.diff), module.diff[0].numel()) if isinstance(module, FullModule) else 1


def _matrix(delta: Delta) -> Tensor:
    return delta.up @ delta.down if isinstance(delta, Product) else delta


def _squared_norm(delta: Delta) -> float:
    return delta.squared_norm() if isinstance(delta, Product) else _inner(delta, delta)


def _inner(a: Delta, b: Delta) -> float:
    if isinstance(a, Product) and isinstance(b, Product):
        return a.inner(b)
    return torch.sum(_matrix(a) * _matrix(b), dtype=torch.float64).item()


def _column(vector: Tensor) -> Product:
    return Product(vector.float().reshape(-1, 1), torch.ones(1, 1), None)


def _check_shapes(name: str, a: Delta, b: Delta, path_a: Path, path_b: Path) -> None:
    shape_a, shape_b = _shape(a), _shape(b)
    if shape_a != shape_b:
        raise CompareError(
            f"`{name}` moves {shape_a[0]} x {shape_a[1]} numbers in {path_a} and {shape_b[0]} x {shape_b[1]} in "
            f"{path_b}; they are for different models"
        )


def _shape(delta: Delta) -> tuple[int, int]:
    return (delta.up.shape[0], delta.down.shape[1]) if isinstance(delta, Product) else (delta.shape[0], delta.shape[1])


def _shared_subspaces(a: Delta, b: Delta) -> tuple[float, float, float] | None:
    """Of outputs, of inputs, and what chance would share (their mean); None where a side does nothing."""
    (outputs_a, inputs_a), (outputs_b, inputs_b) = _leading(a), _leading(b)
    count = min(outputs_a.shape[1], outputs_b.shape[1])
    if not count:
        return None
    chance = (count / len(outputs_a) + count / len(inputs_a)) / 2
    return (
        _overlap(outputs_a[:, :count], outputs_b[:, :count]),
        _overlap(inputs_a[:, :count], inputs_b[:, :count]),
        chance,
    )


def _leading(delta: Delta) -> tuple[Tensor, Tensor]:
    """Orthonormal outputs (out, k) and inputs (in, k) of the k = LEADING strongest directions, or of all there are."""
    if isinstance(delta, Product):
        spectrum = delta.spectrum()
        best = spectrum.truncated(min(LEADING, len(spectrum.values)))
        count = min(LEADING, len(spectrum.values))
        return _orthonormal(best.up.flatten(1)[:, :count]), _orthonormal(best.down.flatten(1)[:count].T)
    with fork_rng(devices=[]):
        manual_seed(0)
        up, values, down = torch.svd_lowrank(delta, min(LEADING + OVERSAMPLED, *delta.shape), POWER_STEPS)
    count = min(LEADING, int((values > 1e-6 * values[0]).sum()))
    return up[:, :count].double(), down[:, :count].double()


def _orthonormal(columns: Tensor) -> Tensor:
    """(n, k) -> an orthonormal basis of the columns' span, float64."""
    basis, _ = qr(columns.double())
    return basis


def _overlap(a: Tensor, b: Tensor) -> float:
    return matrix_norm(a.T @ b).item() ** 2 / a.shape[1]


def _summed(block: str, pairs: Sequence[_Pair]) -> BlockComparison:
    aa, bb, ab = sum(pair.aa for pair in pairs), sum(pair.bb for pair in pairs), sum(pair.ab for pair in pairs)
    cosine = max(-1.0, min(1.0, ab / (aa * bb) ** 0.5)) if aa and bb else None
    shared = [pair.shared for pair in pairs if pair.shared is not None]
    means = [sum(values) / len(shared) for values in zip(*shared, strict=True)] if shared else [None, None, None]
    return BlockComparison(block, len(pairs), aa**0.5, bb**0.5, cosine, *means)
