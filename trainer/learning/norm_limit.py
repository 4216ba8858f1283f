"""Max-norm regularisation (kohya's `scale_weight_norms`): no module's delta grows beyond a norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from trainer.learning.adapters import Adapter


@dataclass(frozen=True)
class NormLimit:
    """`most` is the largest Frobenius norm that a module's delta may have."""

    most: float
    adapters: Sequence[Adapter]

    @torch.no_grad()
    def hold(self) -> None:
        """Shrink all factors of each delta that is larger by the same share, to the limit. Waits for no device.

        What is within the limit keeps its bits: it is multiplied by 1. What overflows becomes NaN, so that the guards
        see it; shrunk to nothing it would pass for sound.
        """
        for one in self.adapters:
            squares = one.delta_squares()
            ratio = (self.most / squares.sqrt()).clamp(max=1.0)
            share = (ratio ** (1 / len(one.parameters))).where(squares.isfinite(), torch.nan)
            for parameter in one.parameters:
                parameter.mul_(share)
