"""A cell as one LoRA file: what is put on the model, scored, and written by an export."""

from __future__ import annotations

from functools import lru_cache

import torch

from eval.request.cells import Cell, Checkpoint
from loras.blend import blend, with_one_alpha
from loras.lora_file import LoraFile, LoraModule, Module, cast_lora, read_lora


def lora_of(cell: Cell) -> LoraFile[LoraModule]:
    """The cell's LoRA as one file of the cell's type: what is scored, and what an export writes.

    Cells of one checkpoint alone share its factors, the very tensors, whatever their weights.
    """
    blended = len(cell.acting) > 1
    files = [_read_cached(use.checkpoint) if blended else _read_typed(use.checkpoint, cell.dtype) for use in cell.uses]
    parts = [(file, use.weights) for file, use in zip(files, cell.uses, strict=True)]
    return cast_lora(blend(parts), getattr(torch, cell.dtype))


@lru_cache(maxsize=3)
def _read_typed(checkpoint: Checkpoint, dtype: str) -> LoraFile[Module]:
    """The file with plain factors in the type that a cell is exported in. Alphas stay: a cell's are cast but once."""
    read, kind = _read_cached(checkpoint), getattr(torch, dtype)
    plain = with_one_alpha({name: one for name, one in read.modules.items() if isinstance(one, LoraModule)})
    typed = {name: LoraModule(one.down.to(kind), one.up.to(kind), one.alpha) for name, one in plain.items()}
    return LoraFile({name: typed.get(name, module) for name, module in read.modules.items()}, read.metadata)


@lru_cache(maxsize=3)  # a grid walks checkpoint by checkpoint, so few files are needed at a time
def _read_cached(checkpoint: Checkpoint) -> LoraFile[Module]:
    return read_lora(checkpoint.path)
