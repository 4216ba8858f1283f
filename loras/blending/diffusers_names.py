"""Whose names a diffusers-spelt LoRA is written in: the model asked for, or its parents' family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from base_models.architecture import Architecture, architecture, public_architecture
from base_models.families.known import family_of_names
from base_models.families.sd1 import SD1
from loras.lora_file import open_lora


def names_for(paths: Sequence[Path], base: str | None) -> Architecture:
    """The names of `base`, or of the public model of the parents' family (SD1 where nothing tells)."""
    if base is not None:
        from base_models.base_model import load_base

        model = load_base(base)
        return architecture(model.family, model.unet, model.text_encoders)
    names: list[str] = []
    widths: set[int] = set()
    for path in paths:
        with open_lora(path) as opened:
            names += opened.names
            widths |= {
                opened.header.shapes[tensors["lora_down.weight"]][1]
                for name, tensors in opened.spelling.modules.items()
                if name.endswith("attn2_to_k") and "lora_down.weight" in tensors
            }
    return public_architecture((family_of_names(names, sorted(widths)) or SD1).key)
