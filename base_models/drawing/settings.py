"""How pictures are drawn, as a plain value that travels to other processes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DrawingSettings:
    """What a `base_models.drawing.render.Drawing` is, and what the prompts are read with."""

    sampler: str
    steps: int
    cfg: float
    width: int
    height: int
    negative: str = ""
    clip_skip: int = 1
