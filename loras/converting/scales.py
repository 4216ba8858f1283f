"""A module's scale put where a spelling wants it, exactly: in an alpha, or in a factor where its type can hold that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor

from base_models.kohya_names import part_of
from loras.converting.pieces import Factors
from loras.module_kinds import LoraModule


def one_alpha(found: Mapping[str, Factors]) -> dict[str, LoraModule]:
    """Modules whose alphas are one in each part of the model: the one that most have already."""
    counted: dict[str, Counter[float]] = {}
    for name, factors in found.items():
        counted.setdefault(part_of(name), Counter())[_alpha(factors)] += 1
    common = {part: alphas.most_common(1)[0][0] for part, alphas in counted.items()}
    return {name: with_alpha(factors, common[part_of(name)]) for name, factors in found.items()}


def in_factors(found: Mapping[str, Factors]) -> dict[str, LoraModule]:
    """Modules whose scale is 1."""
    return {name: with_alpha(factors, float(factors.rank)) for name, factors in found.items()}


def in_factors_where_exact(found: Mapping[str, Factors]) -> dict[str, LoraModule]:
    """Modules whose scale is 1 where their type holds that exactly; the others keep their alpha."""
    made: dict[str, LoraModule] = {}
    for name, factors in found.items():
        folded = with_alpha(factors, float(factors.rank))
        exact = folded.up.dtype == factors.up.dtype
        made[name] = folded if exact else LoraModule(factors.down, factors.up, _alpha(factors))
    return made


def with_alpha(factors: Factors, alpha: float) -> LoraModule:
    """The same delta with that alpha: the rest goes into `up`, in its own type where that is exact, else in float32."""
    rest = factors.scale * factors.rank / alpha
    if rest == 1.0:
        return LoraModule(factors.down, factors.up, alpha)
    up = times(factors.up, rest)
    down = factors.down if up.dtype == factors.up.dtype else factors.down.float()
    return LoraModule(down, up, alpha)


def times(tensor: Tensor, number: float) -> Tensor:
    """The product, in the tensor's type if that holds it without rounding, else in float32."""
    product = tensor.double() * number
    cast = product.to(tensor.dtype)
    return cast if torch.equal(cast.double(), product) else product.float()


def _alpha(factors: Factors) -> float:
    return torch.tensor(factors.scale * factors.rank, dtype=torch.float32).item()
