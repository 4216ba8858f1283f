"""The families of Stable Diffusion as metadata name them, and which one a LoRA's plain factors are for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trainer.lora_file import LoraFile, LoraModule

SDXL_NAMES = ("lora_te1_", "lora_te2_", "lora_unet_input_blocks", "lora_unet_output_blocks")


@dataclass(frozen=True)
class Family:
    """`name` for people, and what kohya's and the model spec's metadata call it."""

    name: str
    base_version: str
    architecture: str
    v2: bool


SD1 = Family("SD1.x", "sd_v1", "stable-diffusion-v1/lora", v2=False)
SD2 = Family("SD2.x", "sd_v2", "stable-diffusion-v2-768-v/lora", v2=True)
SDXL = Family("SDXL", "sdxl_base_v1-0", "stable-diffusion-xl-v1-base/lora", v2=False)


def family_of(names: Iterable[str], widths: Iterable[int]) -> Family | None:
    """SD1, SD2 or SDXL, or None where neither names nor widths tell (a file without cross-attention, a tiny model)."""
    if any(name.startswith(SDXL_NAMES) for name in names):
        return SDXL
    return next((known for width in widths if (known := {768: SD1, 1024: SD2}.get(width))), None)


def text_widths(modules: Mapping[str, LoraModule]) -> set[int]:
    """Widths of the texts that the modules attend to."""
    return {module.down.shape[1] for name, module in modules.items() if name.endswith("attn2_to_k")}


def family_of_lora(lora: LoraFile[LoraModule]) -> Family | None:
    return family_of(lora.modules, sorted(text_widths(lora.modules)))
