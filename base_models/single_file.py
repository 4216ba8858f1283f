"""What a single .safetensors checkpoint is, by its header alone: A1111's and ComfyUI's form of a base model.

`model.diffusion_model.` is the UNet, `first_stage_model.` the VAE; where text encoders stand, the family says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from base_models.families.family import Family
from base_models.families.known import FAMILIES
from foundation.errors import BaseModelError, LoraFileError
from foundation.safetensors_header import PICKLES, Header, read_header

UNET, VAE = "model.diffusion_model.", "first_stage_model."
VAE_BESIDE = ("decoder.conv_in.", "vae.decoder.", f"{VAE}decoder.")
# The model spec's words for what a UNet predicts. A tensor named `v_pred` says so, too (ComfyUI, A1111).
PREDICTIONS = {"v": "v_prediction", "epsilon": "epsilon"}
PICTURE_CHANNELS = 4


@dataclass(frozen=True)
class SingleFile:
    """`prediction` is what the file says, or the family's own."""

    family: Family
    prediction: str


def read_single_file(path: Path, has_vae: bool, families: Iterable[Family] = FAMILIES.values()) -> SingleFile:
    """Recognise a checkpoint. `has_vae`: whether a VAE is given beside it.

    SD2's files do not say what they predict; the 768 px model's v-prediction is assumed. Raises BaseModelError for
    anything that no picture can be made with.
    """
    header = _header(path)
    keys = header.shapes
    if not any(key.startswith(UNET) for key in keys):
        raise BaseModelError(f"{path}: {_what_it_is(keys)}; give a checkpoint with UNet, text encoder and VAE")
    channels = _inputs(keys.get(f"{UNET}input_blocks.0.0.weight", (0, PICTURE_CHANNELS)))
    if channels != PICTURE_CHANNELS:
        raise BaseModelError(
            f"{path}: its UNet reads {channels} channels, so it is an inpainting or editing model, which starts from a "
            "picture; give the plain model"
        )
    family = _family(path, header, families)
    for part in family.text:
        if not any(key.startswith(part.original[0]) for key in keys):
            raise BaseModelError(f"{path}: its {family.name} {part.encoder} is missing; give the full checkpoint")
    if not (has_vae or any(key.startswith(VAE) for key in keys)):
        raise BaseModelError(f'{path}: has no VAE; give one in the specification: [model] vae = "FILE or folder"')
    said = PREDICTIONS.get(header.metadata.get("modelspec.prediction_type", ""), family.prediction)
    return SingleFile(family, "v_prediction" if "v_pred" in keys else said)


def is_vae(path: Path) -> bool:
    """Whether a file holds a VAE: one alone, or a whole checkpoint's."""
    return any(key.startswith(VAE_BESIDE) for key in _header(path).shapes)


def _header(path: Path) -> Header:
    if path.suffix in PICKLES:
        raise BaseModelError(
            f"{path}: a pickle; pickles can run code and are refused; convert it to .safetensors first"
        )
    try:
        return read_header(path)
    except LoraFileError as error:
        raise BaseModelError(str(error)) from error


def _family(path: Path, header: Header, families: Iterable[Family]) -> Family:
    widths = {_inputs(shape) for key, shape in header.shapes.items() if key.endswith("attn2.to_k.weight")}
    found = next((family for family in families if widths == {family.text_width}), None)
    if found is None:
        read = " and ".join(str(width) for width in sorted(widths)) or "none"
        known = ", ".join(f"{family.name} {family.text_width}" for family in families)
        raise BaseModelError(f"{path}: an unknown model: its UNet reads a text of width {read}; known are {known}")
    return found


def _inputs(shape: Sequence[int]) -> int:
    """How many numbers a weight of that shape takes in: its second side. 0, as no model has it, where it has none."""
    return shape[1] if len(shape) > 1 else 0


def _what_it_is(keys: Collection[str]) -> str:
    if any(".lora_" in key or ".hada_" in key or ".lokr_" in key for key in keys):
        return "a LoRA, not a base model (it belongs into [lora] checkpoints)"
    if any(key.startswith(VAE_BESIDE) for key in keys):
        return "a VAE alone, which goes into [model] vae"
    if any(key.startswith(("down_blocks.", "text_model.", "double_blocks.", "joint_blocks.")) for key in keys):
        return "one part of a model"
    return "not a Stable Diffusion checkpoint"
