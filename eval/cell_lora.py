"""A cell as one LoRA file: what is put on the model, scored, and written by an export."""

from __future__ import annotations

from functools import lru_cache

import torch

from eval.blend import blend
from eval.cells import Cell, Checkpoint
from trainer.lora_file import LoraFile, LoraModule, Module, cast_lora, read_lora


def lora_of(cell: Cell) -> LoraFile[LoraModule]:
    """The cell's LoRA as one file of the cell's type: what is scored, and what an export writes."""
    parts = [(_read_cached(use.checkpoint), use.weights) for use in cell.uses]
    return cast_lora(blend(parts), getattr(torch, cell.dtype))


@lru_cache(maxsize=3)  # a grid walks checkpoint by checkpoint, so few files are needed at a time
def _read_cached(checkpoint: Checkpoint) -> LoraFile[Module]:
    return read_lora(checkpoint.path)
