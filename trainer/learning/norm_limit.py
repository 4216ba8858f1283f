"""Max-norm regularisation (kohya's `scale_weight_norms`): no module's delta grows beyond a norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from loras.low_rank_norm import grams, squared_norm


@dataclass(frozen=True)
class HeldFactors:
    """One module's trained parameters, whose delta is scale * up @ down."""

    down: nn.Parameter
    up: nn.Parameter
    scale: float


@dataclass(frozen=True)
class NormLimit:
    """`most` is the largest Frobenius norm that a module's delta may have."""

    most: float
    factors: Sequence[HeldFactors]

    @torch.no_grad()
    def hold(self) -> None:
        """Shrink both factors of each delta that is larger by the same share, to the limit. Waits for no device.

        What is within the limit keeps its bits: it is multiplied by 1. What overflows becomes NaN, so that the guards
        see it; shrunk to nothing it would pass for sound.
        """
        for one in self.factors:
            squares = squared_norm(*grams(one.up.flatten(1), one.down.flatten(1))) * one.scale**2
            share = (self.most / squares.sqrt()).clamp(max=1.0).sqrt().where(squares.isfinite(), torch.nan)
            one.up.mul_(share)
            one.down.mul_(share)
