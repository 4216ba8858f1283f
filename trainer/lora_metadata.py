"""What kohya, A1111 and ComfyUI read in a LoRA's header: hashes over the final bytes, and kohya's `ss_*` keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from safetensors.torch import save
from torch import Tensor

LEGACY_OFFSET, LEGACY_LENGTH = 0x100000, 0x10000


@dataclass(frozen=True)
class Serialised:
    """A .safetensors file but for its metadata: the tensors' header entries, and the bytes behind the header."""

    entries: Mapping[str, object]
    body: memoryview

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Serialised:
        plain = memoryview(save(dict(tensors)))
        end = 8 + int.from_bytes(plain[:8], "little")
        return cls(json.loads(bytes(plain[8:end])), plain[end:])

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
        kohya = self.header({key: value for key, value in metadata.items() if key.startswith("ss_")})
        start, end = (max(0, place - len(kohya)) for place in (LEGACY_OFFSET, LEGACY_OFFSET + LEGACY_LENGTH))
        reach = self.body[start:end]
        legacy = kohya[LEGACY_OFFSET : LEGACY_OFFSET + LEGACY_LENGTH] + reach
        return {
            **metadata,
            "sshs_model_hash": hashlib.sha256(self.body).hexdigest(),
            "sshs_legacy_hash": hashlib.sha256(legacy).hexdigest()[:8],
        }
