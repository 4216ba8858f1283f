"""Writes a .safetensors file tensor by tensor: one is in memory at a time, and the bytes are the same each time.

All files of tensors are written here or by `loras/lora_file.py`, and never by the library's own writer: its errors say
neither that the disk is full nor which file it was, and it leaves temporaries behind that nobody sweeps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from foundation.errors import UserError
from foundation.files import whole_file

# Bytes an element takes, by safetensors' type names.
SIZES = {
    **dict.fromkeys(["BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"], 1),
    **dict.fromkeys(["U16", "I16", "F16", "BF16"], 2),
    **dict.fromkeys(["U32", "I32", "F32"], 4),
    **dict.fromkeys(["U64", "I64", "F64", "C64"], 8),
}
TYPES = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.int32: "I32",
    torch.int64: "I64",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
}


class TensorTypeError(UserError):
    """A tensor of a type that cannot be written."""


@dataclass(frozen=True)
class Entry:
    """A tensor as the header announces it; `type` in safetensors' words (`F16`)."""

    key: str
    type: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes. Raises TensorTypeError for a type of unknown size."""
        if self.type not in SIZES:
            raise TensorTypeError(f"`{self.key}` is of type {self.type}, which is not supported; cast the model first")
        return prod(self.shape) * SIZES[self.type]


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write `path` whole with these tensors, which may lie anywhere."""
    entries = [Entry(key, TYPES[tensor.dtype], tuple(tensor.shape)) for key, tensor in tensors.items()]
    write_stream(path, entries, metadata or {}, lambda key: tensors[key].detach().cpu())


def write_stream(
    path: Path, entries: Sequence[Entry], metadata: Mapping[str, str], tensor_of: Callable[[str], Tensor]
) -> None:
    """Write `path` whole. `tensor_of` is called once a key, and its tensor has the entry's type and shape."""
    # Wide elements first, as the library's writer has it: every tensor then lies at a multiple of its element's size.
    ordered = sorted(entries, key=lambda entry: -SIZES.get(entry.type, 0))
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    end = 0
    for entry in ordered:
        start, end = end, end + entry.size
        header[entry.key] = {"dtype": entry.type, "shape": entry.shape, "data_offsets": (start, end)}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format aligns the tensors to 8 bytes
    with whole_file(path) as beside, beside.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for entry in ordered:
            data = tensor_of(entry.key).contiguous().reshape(-1).view(torch.uint8)
            if len(data) != entry.size:
                raise AssertionError(f"{entry.key}: {len(data)} bytes, announced {entry.size}")
            stream.write(data.numpy().data)
