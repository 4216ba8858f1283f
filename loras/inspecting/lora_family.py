"""Which family of Stable Diffusion a LoRA is for, by the names of its modules and the width of the text it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from base_models.families.known import FAMILIES
from base_models.kohya_names import UNET
from loras.inspecting.module_reading import ModuleReading

WIDTHS = {family.text_width: family.key.upper() for family in FAMILIES.values()}
_LDM = ("input_blocks_", "middle_block_", "output_blocks_", "time_embed_", "label_emb_", "out_")
_DIFFUSERS = ("down_blocks_", "mid_block_", "up_blocks_", "conv_", "time_embedding_", "add_embedding_")
_SECOND_LAYER_OF_SD2 = 12  # SD1's text encoder has the layers 0 to 11, SD2's 0 to 22


@dataclass(frozen=True)
class LoraFamily:
    """`name` is SD1, SD2, SDXL or other; what says so; and the width of the text, where a module reads it."""

    name: str
    because: str
    text_width: int | None


def family_of(readings: Sequence[ModuleReading], metadata: Mapping[str, str]) -> LoraFamily:
    """The family, by text width first, for SD1 and SD2 share their names."""
    paths = [reading.name.removeprefix(f"{UNET}_") for reading in readings if reading.name.startswith(f"{UNET}_")]
    width = _text_width(readings)
    if any(not path.startswith((*_LDM, *_DIFFUSERS)) for path in paths):
        return LoraFamily("other", "its modules are not those of a Stable Diffusion UNet", width)
    ldm = any(path.startswith(_LDM) for path in paths)
    if width is not None:
        name = WIDTHS.get(width, "other")
        if name == "other" or (ldm and name != "SDXL"):
            return LoraFamily("other", f"{'SDXL' if ldm else 'SD1'}'s names, but a text of width {width}", width)
        return LoraFamily(name, f"reads a text of width {width}", width)
    if ldm or any(reading.name.startswith("lora_te2_") for reading in readings):
        return LoraFamily("SDXL", "by its names", None)
    return _without_width(readings, metadata)


def _text_width(readings: Sequence[ModuleReading]) -> int | None:
    """Columns of what reads the text in the UNet; without that, of a lone text encoder's first projections."""
    for ending in ("attn2_to_k", "attn2_to_v"):
        for reading in readings:
            if reading.name.endswith(ending) and reading.columns is not None:
                return reading.columns
    if any(reading.name.startswith((f"{UNET}_", "lora_te1_", "lora_te2_")) for reading in readings):
        return None
    projections = ("self_attn_q_proj", "self_attn_k_proj", "self_attn_v_proj", "mlp_fc1")
    widths = (reading.columns for reading in readings if reading.name.endswith(projections))
    return next((width for width in widths if width is not None), None)


def _without_width(readings: Sequence[ModuleReading], metadata: Mapping[str, str]) -> LoraFamily:
    """No module reads the text: SD1 and SD2 differ in layers, and else in what the trainer wrote alone."""
    layers = (reading.name.partition("encoder_layers_")[2].partition("_")[0] for reading in readings)
    if any(layer.isdigit() and int(layer) >= _SECOND_LAYER_OF_SD2 for layer in layers):
        return LoraFamily("SD2", "its text encoder has more than 12 layers", None)
    said = f"{metadata.get('ss_base_model_version', '')} {metadata.get('modelspec.architecture', '')}".lower()
    if "sdxl" in said or "stable-diffusion-xl" in said:
        return LoraFamily("SDXL", "by its metadata", None)
    if metadata.get("ss_v2") == "True" or "sd_v2" in said or "stable-diffusion-v2" in said:
        return LoraFamily("SD2", "by its metadata", None)
    if any(reading.name.startswith("lora_te1_") for reading in readings) and not any(
        reading.name.startswith(f"{UNET}_") for reading in readings
    ):
        return LoraFamily("SDXL", "by its names", None)
    return LoraFamily("SD1", "by its names, which SD2 shares; no module tells the text's width", None)
