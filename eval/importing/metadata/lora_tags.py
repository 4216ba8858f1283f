"""`<lora:name:0.8>` in prompts: which LoRAs at which weights, and the prompt without them.

As A1111's own extension reads them (`extensions-builtin/Lora/extra_networks_lora.py` of 1.10): the first number is the
text encoder's and, alone, the UNet's as well; the second is the UNet's; `te=`, `unet=` and `dyn=` name them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from eval.importing.metadata.told import ToldLora, UnclearPictureError, lora_name, weight_of

_TAG = re.compile(r"<(\w+):([^<>]*)>")
# `lyco` is the extension that A1111's own took in.
_LORAS = frozenset(["lora", "lyco"])
_OTHERS = {"hypernet": "a hypernetwork"}


@dataclass(frozen=True)
class TaggedPrompt:
    """The words, and the LoRAs that stood among them."""

    words: str
    loras: tuple[ToldLora, ...]


def split_tags(prompt: str) -> TaggedPrompt:
    """A prompt's words and LoRAs. Raises UnclearPictureError for a tag that no file at weights does the same as."""
    loras: list[ToldLora] = []
    for kind, inside in _TAG.findall(prompt):
        if kind.lower() in _OTHERS:
            raise UnclearPictureError(f"it is drawn with {_OTHERS[kind.lower()]} (`<{kind}:{inside}>`)")
        if kind.lower() in _LORAS:
            loras.append(_lora_of(inside))
    check_once(loras)
    return TaggedPrompt(_TAG.sub(lambda tag: "" if tag[1].lower() in _LORAS else tag[0], prompt), tuple(loras))


def check_once(loras: list[ToldLora]) -> None:
    """Raise UnclearPictureError where a LoRA stands there twice: which weight it had then differs from tool to tool."""
    names = [lora.name for lora in loras]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise UnclearPictureError(f"the LoRA `{doubled}` stands in its prompt twice")


def _lora_of(inside: str) -> ToldLora:
    parts = [part.strip() for part in inside.split(":")]
    name, rest = lora_name(parts[0]), parts[1:]
    placed = [part for part in rest if "=" not in part]
    named = dict(part.split("=", 1) for part in rest if "=" in part)
    if odd := next((key for key in named if key not in ("te", "unet")), None):
        raise UnclearPictureError(f"the LoRA `{name}` is put on with `{odd}=`: no file at weights does the same")
    if len(placed) > 2:
        raise UnclearPictureError(f"the LoRA `{name}` is put on with {len(placed)} numbers, and two are understood")
    te = weight_of(placed[0] if placed else 1.0, f"`{name}`")
    te = weight_of(named.get("te", te), f"`{name}`")
    unet = weight_of(placed[1], f"`{name}`") if len(placed) > 1 else te
    return ToldLora(name, weight_of(named.get("unet", unet), f"`{name}`"), te)
