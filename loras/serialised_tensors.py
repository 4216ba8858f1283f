"""What kohya, A1111 and ComfyUI read in a LoRA's header: hashes over the final bytes, and kohya's `ss_*` keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LEGACY_OFFSET, LEGACY_LENGTH = 0x100000, 0x10000
TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}


@dataclass(frozen=True)
class SerialisedTensors:
    """A .safetensors file but for its metadata: the tensors' header entries, and their bytes in the header's order."""

    entries: Mapping[str, object]
    chunks: Sequence[memoryview]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> SerialisedTensors:
        """Views of the tensors' own bytes, nothing copied. Wide types come first, so that every tensor lies aligned."""
        entries: dict[str, object] = {}
        chunks: list[memoryview] = []
        end = 0
        for key, tensor in sorted(tensors.items(), key=lambda pair: (-pair[1].element_size(), pair[0])):
            data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data
            start, end = end, end + data.nbytes
            entries[key] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
            chunks.append(data)
        return cls(entries, chunks)

    def header(self, metadata: Mapping[str, str]) -> bytes:
        """The bytes before the tensors, the same each time: the library's own writer orders metadata at random."""
        header = {"__metadata__": dict(sorted(metadata.items())), **self.entries}
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)  # the format aligns the tensors to 8 bytes
        return len(text).to_bytes(8, "little") + text

    def hashed(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """`metadata` with `sshs_model_hash` and `sshs_legacy_hash` as kohya's save step sets them (sd-scripts' rules).

        The model hash is the sha256 of the bytes behind the header; the legacy one is read from a file serialised with
        the `ss_*` metadata only. A1111 trusts both unread.
        """
        window = LEGACY_OFFSET, LEGACY_OFFSET + LEGACY_LENGTH
        kohya = self.header({key: value for key, value in metadata.items() if key.startswith("ss_")})
        model, legacy = hashlib.sha256(), hashlib.sha256(kohya[slice(*window)])
        place = len(kohya)
        for chunk in self.chunks:
            model.update(chunk)
            start, end = (min(max(0, side - place), chunk.nbytes) for side in window)
            legacy.update(chunk[start:end])
            place += chunk.nbytes
        return {
            **metadata,
            "sshs_model_hash": model.hexdigest(),
            "sshs_legacy_hash": legacy.hexdigest()[:8],
        }
