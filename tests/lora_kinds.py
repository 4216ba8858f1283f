"""Random modules of every kind that adds up, for one weight's shape."""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.lora_modules import (
    Additive,
    FullModule,
    HadamardHalf,
    KroneckerHalf,
    LohaModule,
    LokrModule,
    LoraModule,
    TuckerModule,
)

LINEAR_KINDS = ("lora", "loha", "lokr", "lokr factored", "full")
CONV_KINDS = (*LINEAR_KINDS, "tucker", "loha core", "lokr core")


def random_module(kind: str, shape: tuple[int, ...], rank: int, alpha: float, seed: int) -> Additive:
    """A module of `kind` for a weight of `shape`, (out, in) or (out, in, k, k); both sides divisible by 2."""
    draw = torch.Generator().manual_seed(seed)

    def numbers(*sides: int) -> Tensor:
        return torch.randn(*sides, generator=draw)

    (out, ins), kernel = shape[:2], tuple(shape[2:])
    columns = ins * (kernel[0] * kernel[1] if kernel else 1)
    ones = (1,) * len(kernel)
    if kind == "lora":
        return LoraModule(numbers(rank, ins, *kernel), numbers(out, rank, *ones), alpha)
    if kind == "tucker":
        return TuckerModule(numbers(rank, ins, 1, 1), numbers(rank, rank, *kernel), numbers(out, rank, 1, 1), alpha)
    if kind == "loha":
        halves = [HadamardHalf(numbers(out, rank), numbers(rank, columns)) for _ in range(2)]
        return LohaModule(halves[0], halves[1], alpha, kernel)
    if kind == "loha core":
        cores = [HadamardHalf(numbers(rank, out), numbers(rank, ins), numbers(rank, rank, *kernel)) for _ in range(2)]
        return LohaModule(cores[0], cores[1], alpha)
    if kind == "full":
        return FullModule(numbers(out, ins, *kernel))
    return _random_lokr(kind, shape, rank, alpha, draw)


def _random_lokr(kind: str, shape: tuple[int, ...], rank: int, alpha: float, draw: torch.Generator) -> Additive:
    def numbers(*sides: int) -> Tensor:
        return torch.randn(*sides, generator=draw)

    (out, ins), kernel = shape[:2], tuple(shape[2:])
    columns = ins * (kernel[0] * kernel[1] if kernel else 1)
    if kind == "lokr":
        return LokrModule(KroneckerHalf(w=numbers(2, 2)), KroneckerHalf(w=numbers(out // 2, ins // 2, *kernel)), alpha)
    if kind == "lokr factored":
        second = KroneckerHalf(a=numbers(out // 2, rank), b=numbers(rank, columns // 2))
        return LokrModule(KroneckerHalf(w=numbers(2, 2)), second, alpha, kernel)
    core = KroneckerHalf(a=numbers(rank, out // 2), b=numbers(rank, ins // 2), t=numbers(rank, rank, *kernel))
    return LokrModule(KroneckerHalf(a=numbers(2, rank), b=numbers(rank, 2)), core, alpha)
