"""A cell as one LoRA file: what is put on the model, scored, and written by an export."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from eval.request.cells import Cell, Checkpoint
from foundation.errors import UserError
from foundation.files import sha256_of
from loras.blend import blend, with_one_alpha
from loras.lora_file import LoraFile, LoraModule, Module, cast_lora, read_lora


class ReplacedLoraError(UserError):
    """A LoRA file that was replaced after its hash was taken."""


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
    """The file, which is looked at again once it is read: a picture's id says of which bytes it is."""
    read = read_lora(checkpoint.path)
    facts = checkpoint.path.stat()
    if _hash_of(checkpoint.path, facts.st_size, facts.st_mtime_ns, facts.st_ino) != checkpoint.sha256:
        raise ReplacedLoraError(
            f"{checkpoint.path}: is another file than when its pictures were planned; nothing was drawn of it. Run the "
            "same command again, which takes it as it is, or put the one from before back"
        )
    return read


@lru_cache(maxsize=4096)
def _hash_of(path: Path, size: int, changed: int, number: int) -> str:
    """All but `path` are part of the key only: a search comes back to a file many times."""
    return sha256_of(path)
