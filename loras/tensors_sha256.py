"""What a LoRA file holds, whatever its header says: a hash of the tensors themselves."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TypedDict

import numpy as np

from foundation.safetensors_header import read_header


class _Entry(TypedDict):
    """What a header that safetensors has checked says of where a tensor lies."""

    data_offsets: tuple[int, int]


def tensors_sha256(path: Path) -> str:
    """The sha256 (hex) of a file's tensors: names, types, shapes and bytes, in the order of the names.

    Files that differ in metadata, or in the order in which tensors lie, have the same. It is worked out from the bytes:
    hashes that a header states (`sshs_model_hash`) outlive edits of the tensors.

    Raises MissingFileError or LoraFileError.
    """
    header = read_header(path)
    whole = np.memmap(path, dtype=np.uint8, mode="r")
    start = 8 + int.from_bytes(whole[:8].tobytes(), "little")
    entries: dict[str, _Entry] = json.loads(whole[8:start].tobytes())
    found = hashlib.sha256()
    for name in sorted(header.shapes):
        found.update(json.dumps([name, header.types[name], header.shapes[name]]).encode())
        first, last = entries[name]["data_offsets"]
        found.update(whole[start + first : start + last].data)
    return found.hexdigest()
