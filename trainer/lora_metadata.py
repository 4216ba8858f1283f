"""What kohya, A1111 and ComfyUI read in a LoRA's header: hashes over the final bytes, and kohya's `ss_*` keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from safetensors.torch import save
from torch import Tensor

LEGACY_OFFSET, LEGACY_LENGTH = 0x100000, 0x10000


def with_hashes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, str]:
    """`metadata` with `sshs_model_hash` and `sshs_legacy_hash` as kohya's save step sets them (sd-scripts' rules).

    The model hash is the sha256 of the bytes behind the header; the legacy one is read from a file serialised with
    the `ss_*` metadata only. A1111 trusts both unread.
    """
    kohya = {key: value for key, value in metadata.items() if key.startswith("ss_")}
    serialised = serialise(tensors, kohya)
    header = int.from_bytes(serialised[:8], "little")
    legacy = serialised[LEGACY_OFFSET : LEGACY_OFFSET + LEGACY_LENGTH]
    hashes = {
        "sshs_model_hash": hashlib.sha256(serialised[8 + header :]).hexdigest(),
        "sshs_legacy_hash": hashlib.sha256(legacy).hexdigest()[:8],
    }
    return {**metadata, **hashes}


def serialise(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A .safetensors file's bytes, the same each time: the library's own writer puts metadata in a random order."""
    plain = save(dict(tensors))
    end = 8 + int.from_bytes(plain[:8], "little")
    header = {"__metadata__": dict(sorted(metadata.items())), **json.loads(plain[8:end])}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format aligns the tensors to 8 bytes
    return len(text).to_bytes(8, "little") + text + plain[end:]
