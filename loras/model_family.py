"""Which family of base models a LoRA's plain factors are for."""

from __future__ import annotations

from collections.abc import Mapping

from base_models.families.family import Family
from base_models.families.known import family_of_names
from loras.lora_file import LoraFile, LoraModule


def text_widths(modules: Mapping[str, LoraModule]) -> set[int]:
    """Widths of the texts that the modules attend to."""
    return {module.down.shape[1] for name, module in modules.items() if name.endswith("attn2_to_k")}


def family_of_lora(lora: LoraFile[LoraModule]) -> Family | None:
    """None where neither names nor widths tell (a file without cross-attention, a tiny model)."""
    return family_of_names(lora.modules, sorted(text_widths(lora.modules)))
