"""Axes of charts."""

from __future__ import annotations

import math


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within [low, high], 1, 2 or 5 times a power of ten apart."""
    rough = max(high - low, 1e-9) / about
    scale = 10 ** math.floor(math.log10(rough))
    step = scale * next(times for times in (1, 2, 5, 10) if times * scale >= rough * 0.999)
    return [round(at * step, 10) for at in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
