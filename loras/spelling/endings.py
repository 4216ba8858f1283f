"""How a key of a LoRA file ends in each tool's spelling, and kohya's word for the same tensor."""

from __future__ import annotations

import re
from collections.abc import Iterable

SUFFIXES = frozenset(
    [
        *("lora_down.weight", "lora_up.weight", "lora_mid.weight", "alpha", "dora_scale"),
        *("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"),
        *("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t1", "lokr_t2"),
        *("oft_blocks", "rescale", "diff", "diff_b", "w_norm", "b_norm"),
        *("a1.weight", "a2.weight", "b1.weight", "b2.weight", "ia3_weight", "on_input"),
    ]
)
# The other dialects' endings behind a module's path, and kohya's for the same tensor.
_ENDINGS = (
    (re.compile(r"\.lora_A(?:\.[^.]+)?\.weight$"), "lora_down.weight"),
    (re.compile(r"\.lora_B(?:\.[^.]+)?\.weight$"), "lora_up.weight"),
    (re.compile(r"\.lora_magnitude_vector(?:\.[^.]+)??(?:\.weight)?$"), "dora_scale"),
    (re.compile(r"[._]lora(?:_linear_layer)?\.(down|up)\.weight$"), "lora_{}.weight"),
    (re.compile(r"(?:[._]lora(?:_linear_layer)?)?\.alpha$"), "alpha"),
)
# Of tensors kept in 8 bits: the number that they are multiplied by, beside `..weight` (ComfyUI's scaled fp8, torchao).
SCALES = ("scale_weight", "weight_scale", "scale")


def endings(key: str) -> Iterable[tuple[str, str]]:
    """(what stands before, kohya's suffix) for each way that the key's end can be read."""
    for pattern, suffix in _ENDINGS:
        if found := pattern.search(key):
            yield key[: found.start()], suffix.format(*found.groups())
    for suffix in SUFFIXES:
        if key.endswith(f".{suffix}"):
            yield key.removesuffix(f".{suffix}"), suffix


def is_ending(key: str) -> bool:
    """Whether the key ends as a LoRA's does in some spelling."""
    return next(iter(endings(key)), None) is not None


def scale_keys(keys: Iterable[str]) -> dict[str, str]:
    """By the key of a tensor in 8 bits, the key of its scale."""
    there = set(keys)
    found: dict[str, str] = {}
    for key in there:
        stem, dot, last = key.rpartition(".")
        for name in SCALES if dot and last == "weight" else ():
            if f"{stem}.{name}" in there:
                found[key] = f"{stem}.{name}"
    return found
