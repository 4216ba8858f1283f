"""How far the adapters have moved the base's weights: |delta| / |W| in Frobenius norms, by part of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite

import torch
from torch import nn

from base_models.kohya_names import part_of
from foundation.typed.typed_torch import listed
from trainer.guarding.verdict import DEAD
from trainer.learning.adapters import Adapters
from trainer.learning.run_state import PartMovement


@dataclass(frozen=True)
class WeightChange:
    """|delta| / |W| over all trained modules of a part, None where it is not trained, and the loudest module's own.

    `parts` has each text encoder by itself; a module is dead there that moved by less than DEAD.
    """

    unet: float | None
    text_encoder: float | None
    loudest: str
    loudest_size: float
    parts: tuple[PartMovement, ...] = ()

    @property
    def largest(self) -> float:
        """Of the two parts; infinite where one is not finite."""
        return max(self._sizes) if self.is_finite else inf

    @property
    def is_finite(self) -> bool:
        """Whether both parts are, as far as they are trained: NaN counts as not finite."""
        return all(map(isfinite, self._sizes))

    @property
    def _sizes(self) -> list[float]:
        return [size for size in (self.unet, self.text_encoder) if size is not None]


class WeightChangeGauge:
    """Measures the adapters against the base's weights, whose norms are taken once."""

    def __init__(self, adapters: Adapters, modules: Mapping[str, nn.Module]) -> None:
        self._names = sorted(adapters)
        self._parts = [part_of(name) for name in self._names]
        self._adapters = [adapters[name] for name in self._names]
        weights = [modules[name].get_parameter("weight") for name in self._names]
        norms = torch.stack([weight.detach().float().square().sum() for weight in weights])
        self._base: list[float] = listed(norms)

    @torch.no_grad()
    def measure(self) -> WeightChange:
        """Waits for the device once."""
        squares: list[float] = listed(torch.stack([one.delta_squares() for one in self._adapters]))
        each = [(moved / base) ** 0.5 if base else 0.0 for moved, base in zip(squares, self._base, strict=True)]
        at = max(range(len(each)), key=lambda one: each[one])
        return WeightChange(
            self._pooled(squares, "unet"),
            self._pooled(squares, "te1", "te2"),
            self._names[at],
            each[at],
            tuple(self._part(part, squares, each) for part in sorted(set(self._parts))),
        )

    def _pooled(self, squares: list[float], *parts: str) -> float | None:
        chosen = [at for at, part in enumerate(self._parts) if part in parts]
        base = sum(self._base[at] for at in chosen)
        return (sum(squares[at] for at in chosen) / base) ** 0.5 if base else None

    def _part(self, part: str, squares: list[float], each: list[float]) -> PartMovement:
        sizes = [size for size, own in zip(each, self._parts, strict=True) if own == part]
        moved = self._pooled(squares, part) or 0.0
        return PartMovement(part=part, moved=moved, modules=len(sizes), dead=sum(size < DEAD for size in sizes))
