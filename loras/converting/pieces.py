"""Fused projections split and joined exactly, on factors: no delta is built.

A part of a fused projection is some of its outputs: rows of `up`, with the same `down`; columns of rank that are 0
there are left out. Parts are joined by stacking their ranks, each part's rows of `up` against its own of them, and 0
elsewhere; parts that share one `down`, as those of a split projection do, keep its rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loras.converting.targets import ConvertError
from loras.families.family import ReadableFamily
from loras.families.rows import Share
from loras.low_rank import Product
from loras.module_kinds import LoraModule


@dataclass(frozen=True)
class Factors:
    """`up` (out, r[, 1, 1]) @ `down` (r, in[, k, k]) times `scale`, in the types that the file has them in."""

    down: Tensor
    up: Tensor
    scale: float

    @classmethod
    def of(cls, module: LoraModule) -> Factors:
        """The module's factors as they are."""
        return cls(module.down, module.up, module.scale)

    @property
    def rank(self) -> int:
        """r, the factors' inner width."""
        return self.down.shape[0]

    def product(self) -> Product:
        """The delta, for comparisons."""
        return Product.of(LoraModule(self.down, self.up, self.scale * self.rank))

    def rows(self, rows: slice) -> Factors:
        """The part that moves these outputs, without the ranks that do not."""
        up = self.up[rows]
        acting = (up.flatten(1) != 0).any(0) if up.dim() == 2 else (up.flatten(2) != 0).any(2).any(0)
        if not bool(acting.any()):
            acting[0] = True
        if bool(acting.all()):
            return Factors(self.down, up.contiguous(), self.scale)
        return Factors(self.down[acting].contiguous(), up[:, acting].contiguous(), self.scale)


def shares_of(family: ReadableFamily, name: str) -> Mapping[str, Share]:
    """By the names of a fused module's parts, which of its outputs each has; nothing for any other module."""
    parts = family.fused(name)
    return {part: place.share for part, place in zip(parts, family.to_diffusers(name), strict=True)} if parts else {}


def split(factors: Factors, shares: Mapping[str, Share], name: str) -> dict[str, Factors]:
    """The parts of a fused projection. Raises ConvertError where its outputs do not divide so."""
    outputs = factors.up.shape[0]
    try:
        return {part: factors.rows(share.rows(outputs)) for part, share in shares.items()}
    except ValueError as error:
        raise ConvertError(f"`{name}`: {error}, so it cannot be split") from None


def joined(parts: Mapping[str, Factors], shares: Mapping[str, Share], name: str) -> Factors:
    """The fused projection that moves as its parts do, those that are missing not at all.

    Raises ConvertError for parts that are not of one module.
    """
    one = _unit(parts, shares, name)
    rows = {part: slice(shares[part].start * one, shares[part].stop * one) for part in parts}
    outputs = next(iter(shares.values())).of * one
    found = list(parts.values())
    first = found[0]
    scales = {factors.scale for factors in found}
    if len(scales) == 1 and all(torch.equal(factors.down, first.down) for factors in found[1:]):
        up = first.up.new_zeros(outputs, *first.up.shape[1:])
        for part, factors in parts.items():
            up[rows[part]] = factors.up
        return Factors(first.down, up, first.scale)
    scale = first.scale
    down = torch.cat([factors.down for factors in found])
    up = torch.zeros(outputs, len(down), *first.up.shape[2:], dtype=_wider(found, scales))
    at = 0
    for part, factors in parts.items():
        up[rows[part], at : at + factors.rank] = factors.up.to(up.dtype) * (factors.scale / scale)
        at += factors.rank
    return Factors(down.to(up.dtype), up, scale)


def _unit(parts: Mapping[str, Factors], shares: Mapping[str, Share], name: str) -> int:
    """How many outputs one share has: the same for all parts, which read one and the same input."""
    units = {factors.up.shape[0] / (shares[part].stop - shares[part].start): part for part, factors in parts.items()}
    inputs = {tuple(factors.down.shape[1:]) for factors in parts.values()}
    unit = next(iter(units))
    if len(units) > 1 or len(inputs) > 1 or unit != int(unit):
        raise ConvertError(f"`{name}`: its parts are of different sizes, so they are not those of one projection")
    return int(unit)


def _wider(found: list[Factors], scales: set[float]) -> torch.dtype:
    """The factors' own type, float32 where one has to be multiplied by what that may not hold."""
    types = {factors.up.dtype for factors in found} | {factors.down.dtype for factors in found}
    return types.pop() if len(types) == 1 and len(scales) == 1 else torch.float32
