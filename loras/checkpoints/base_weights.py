"""The weights of a base model by kohya name, read one at a time: the model itself is never built."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from base_models.base_source import find_base
from foundation.typed.typed_torch import vector_norm
from loras.checkpoints.checkpoint_layout import Checkpoint, ParameterPlace, open_checkpoint, open_tensors
from loras.checkpoints.transformer_weights import TransformerWeights, transformer_weights
from miniature.paths import folder_of


@dataclass(frozen=True)
class BaseWeights:
    """A base model's files, open for reading; `name` is what the user called it."""

    name: str
    checkpoint: Checkpoint
    _read: Callable[[ParameterPlace], Tensor]
    _squares: dict[str, float] = field(default_factory=dict[str, float])

    def weight(self, module: str) -> Tensor | None:
        """The weight of the module of that kohya name, or None where the base has no such module."""
        place = self.checkpoint.places.get((module, "weight"))
        return None if place is None else self._read(place)

    def squares(self, module: str, elements: int) -> float | None:
        """The weight's squared Frobenius norm, or None where the base has none of that many elements.

        Each weight is read once, however many LoRA files are held against it.
        """
        place = self.checkpoint.places.get((module, "weight"))
        if place is None or torch.Size(place.shape).numel() != elements:
            return None
        if module not in self._squares:
            self._squares[module] = vector_norm(self._read(place).double()).item() ** 2
        return self._squares[module]


OpenBase = BaseWeights | TransformerWeights


@contextmanager
def open_base(name: str) -> Generator[OpenBase]:
    """Open a base's files: "miniature", a diffusers folder, a .safetensors checkpoint or a hub id.

    A transformer's are read by `loras.checkpoints.transformer_weights`.

    Raises CheckpointError or LoraFileError for what is none of these, BaseModelError for an id that cannot be had.
    """
    if Path(name).exists() and (transformer := transformer_weights(name)) is not None:
        yield transformer
        return
    is_here = folder_of("base", name) is not None or Path(name).exists()
    checkpoint = open_checkpoint(name if is_here else find_base(name).path)
    with open_tensors(checkpoint) as read:
        yield BaseWeights(name, checkpoint, read)
