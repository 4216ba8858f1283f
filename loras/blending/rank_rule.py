"""How many ranks a compressed module keeps: a number, or as many as an accuracy needs. Written as in `--rank`."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from torch import Tensor

from foundation.errors import UserError

AUTO_ENERGY = 0.99
COMMON_ALPHA = 16.0  # any would do: the rest of the scale is in the factors


class RankError(UserError):
    """A text that does not say how many ranks to keep."""


@dataclass(frozen=True)
class RankRule:
    """`kind` is one of:

    rank      that many
    energy    the fewest whose squared singular values make up this share of all (0..1)
    sv_fro    the fewest that keep this share of the Frobenius norm (0..1), as sd-scripts' resize_lora
    sv_ratio  those whose singular value is at least the largest divided by this (>= 1), as sd-scripts' resize_lora
    """

    kind: str
    value: float

    @classmethod
    def parse(cls, text: str) -> RankRule:
        """Read `64`, `auto` (99 % of the energy), `energy=0.999`, `sv_fro=0.98` or `sv_ratio=20`. Raises RankError."""
        if text == "auto":
            return cls("energy", AUTO_ENERGY)
        kind, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        kind = kind or "rank"
        fits = {
            "rank": value >= 1 and value.is_integer(),
            "energy": 0 < value <= 1,
            "sv_fro": 0 < value <= 1,
            "sv_ratio": 1 <= value < inf,
        }
        if not fits.get(kind, False):
            raise RankError(
                f"--rank {text}: give a number like 64, `auto`, energy=0.99, sv_fro=0.98 (both up to 1) or sv_ratio=20"
            )
        return cls(kind, value)

    @property
    def alpha(self) -> float:
        """One alpha for all modules of a file compressed so, whatever their ranks: see `loras.blend.with_one_alpha`."""
        return self.value if self.kind == "rank" else COMMON_ALPHA

    def of(self, values: Tensor) -> int:
        """The rank for singular values in descending order; at least 1."""
        if self.kind == "rank":
            return int(self.value)
        if not len(values):
            return 1
        if self.kind == "sv_ratio":
            return max(1, int((values >= values[0] / self.value).sum()))
        share = values.square().cumsum(0) / values.square().sum()
        wanted = self.value if self.kind == "energy" else self.value**2
        return min(len(values), int((share < wanted - 1e-12).sum()) + 1)

    def __str__(self) -> str:
        return f"{self.value:g}" if self.kind == "rank" else f"{self.kind}={self.value:g}"
