"""Kinds of modules that are not read, told by a key's ending: PEFT's other methods, named for who has such a file."""

from __future__ import annotations

import re
from pathlib import Path

from loras.spelling.spelling import ForeignKindError

# By PEFT 0.21's own names of tensors. Its LoHa and LoKr are named as LyCORIS' are: adapter_config.json tells them.
_KINDS = (
    (re.compile(r"\.oft_[RS]\b"), "PEFT's OFT"),
    (re.compile(r"\.boft_[Rs]\b"), "PEFT's BOFT"),
    (re.compile(r"\.ia3_l\b"), "PEFT's IA3"),
    (re.compile(r"\bvera_(?:lambda_[bd]|[AB])\b"), "PEFT's VeRA"),
    (re.compile(r"\.lora_B(?:\.[^.]+)?\.bias$"), "PEFT's LoRA with a bias of its own (`lora_bias`)"),
)
WHAT_TO_DO = "have PEFT merge it into the model (`merge_and_unload`), or train a plain LoRA"


def check_is_read(key: str, path: Path) -> None:
    """Raise ForeignKindError for a key of a kind that is known by name and not read."""
    for pattern, kind in _KINDS:
        if pattern.search(key):
            raise ForeignKindError(f"{path}: `{key}` is of {kind}, which is not read here; {WHAT_TO_DO}")
