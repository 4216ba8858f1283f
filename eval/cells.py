"""Cells and pictures: what is rendered and compared, and ids that are hashes of everything that shapes the result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from eval.weights import Weights

CONTROL = "control"  # the id of the base model's own cell
# Counts up when the renderer's pictures change, so that a store never answers with what an older one drew.
RENDERER = 1


def digest(*parts: object) -> str:
    """A short hash over JSON-able parts."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Checkpoint:
    """A LoRA file that can be put on: `name` is its file name without suffix, `epoch` what its metadata says."""

    path: Path
    name: str
    sha256: str
    epoch: int | None


@dataclass(frozen=True)
class Use:
    """One LoRA at certain weights."""

    checkpoint: Checkpoint
    weights: Weights

    def __str__(self) -> str:
        return f"{self.checkpoint.name}:{self.weights}"


@dataclass(frozen=True)
class Cell:
    """One (checkpoint, also, weights), exported as `dtype`: the export's type is part of what is scored."""

    use: Use
    also: tuple[Use, ...]
    dtype: str

    @property
    def uses(self) -> tuple[Use, ...]:
        return (self.use, *self.also)

    @property
    def id(self) -> str:
        """A hash over contents and weights, not names: two copies of a file at the same weights are one cell."""
        acting = [
            (use.checkpoint.sha256, use.weights.unet, use.weights.te1, use.weights.te2)
            for use in self.uses
            if any((use.weights.unet, use.weights.te1, use.weights.te2))
        ]
        return digest("cell", acting, self.dtype)

    @property
    def text_key(self) -> str:
        """Cells with the same key move the text encoders alike, and share encoded prompts."""
        acting = [
            (use.checkpoint.sha256, use.weights.te1, use.weights.te2)
            for use in self.uses
            if use.weights.te1 or use.weights.te2
        ]
        return digest("text", acting, self.dtype)


@dataclass(frozen=True)
class Sampling:
    """Everything but cell, prompt and seed that shapes a picture. `clip_skip` 1 is the last layer, as A1111 counts."""

    base: str
    dtype: str
    sampler: str
    steps: int
    cfg: float
    width: int
    height: int
    clip_skip: int
    negative: str

    def picture_id(self, cell_id: str, prompt: str, seed: int) -> str:
        return digest("picture", RENDERER, asdict(self), cell_id, prompt, seed)
