"""What names tell by themselves: part, block and kernel of a kohya name; diffusers' paths in the original naming.

Loads no heavy library. `base_models.architecture` has the names of a whole model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNET = "lora_unet"
TEXT_ENCODER, TEXT_ENCODERS = "lora_te", ("lora_te1", "lora_te2")
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_RESNET_BACK = {ldm: ours for ours, ldm in _RESNET.items()}
_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_ENDS_BACK = {ldm: ours for ours, ldm in _ENDS.items()}
_MIDDLE = {"resnets.0": "0", "attentions.0": "1", "resnets.1": "2"}
_MIDDLE_BACK = {ldm: ours for ours, ldm in _MIDDLE.items()}


@dataclass(frozen=True)
class UnetLayout:
    """What of a UNet's configuration its original naming depends on: layers a block, and which up blocks attend."""

    layers: int
    attending_up: tuple[bool, ...]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> UnetLayout:
        """From a diffusers configuration (`layers_per_block`, `up_block_types`)."""
        attending = tuple("CrossAttn" in kind for kind in config["up_block_types"])
        return cls(int(config["layers_per_block"]), attending)

    def to_ldm(self, path: str) -> str:
        """`down_blocks.1.attentions.0.proj_in` -> `input_blocks.4.1.proj_in`, as CompVis' and SDXL's files name it."""
        if path in _ENDS:
            return _ENDS[path]
        if found := re.fullmatch(r"mid_block\.((?:resnets|attentions)\.\d)\.(.+)", path):
            return f"middle_block.{_MIDDLE[found[1]]}.{_in_ldm_block(found[1], found[2])}"
        found = re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", path)
        if not found:
            raise KeyError(path)
        side, block, kind, layer, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
        if kind == "downsamplers":
            return f"input_blocks.{(block + 1) * (self.layers + 1)}.0.op"
        if kind == "upsamplers":
            place = 2 if self.attending_up[block] else 1
            return f"output_blocks.{block * (self.layers + 1) + self.layers}.{place}.conv"
        number = block * (self.layers + 1) + layer + (side == "down")
        prefix = "input_blocks" if side == "down" else "output_blocks"
        return f"{prefix}.{number}.{int(kind == 'attentions')}.{_in_ldm_block(kind, rest)}"

    def to_diffusers(self, path: str) -> str:
        """The inverse of `to_ldm`."""
        if path in _ENDS_BACK:
            return _ENDS_BACK[path]
        if found := re.fullmatch(r"middle_block\.(\d)\.(.+)", path):
            kind = _MIDDLE_BACK[found[1]]
            return f"mid_block.{kind}.{_in_diffusers_block(kind, found[2])}"
        found = re.fullmatch(r"(input|output)_blocks\.(\d+)\.(\d)\.(.+)", path)
        if not found:
            raise KeyError(path)
        down, number, place, rest = found[1] == "input", int(found[2]), int(found[3]), found[4]
        block, layer = divmod(number - 1 if down else number, self.layers + 1)
        side = "down" if down else "up"
        if rest == "op":
            return f"{side}_blocks.{block}.downsamplers.0.conv"
        if rest == "conv":
            return f"{side}_blocks.{block}.upsamplers.0.conv"
        kind = "attentions" if place else "resnets"
        return f"{side}_blocks.{block}.{kind}.{layer}.{_in_diffusers_block(kind, rest)}"


PUBLIC_LAYOUT = UnetLayout(2, (False, True, True, True))  # SD1's and SD2's
SDXL_LAYOUT = UnetLayout(2, (True, True, False))


def _in_ldm_block(kind: str, rest: str) -> str:
    return _RESNET[rest] if kind.startswith("resnets") else rest


def _in_diffusers_block(kind: str, rest: str) -> str:
    return _RESNET_BACK[rest] if kind.startswith("resnets") else rest


def has_ldm_name(path: str) -> bool:
    """Whether a UNet's diffusers path is one of those that the original naming has another word for."""
    return path in _ENDS or path.startswith(("down_blocks.", "mid_block.", "up_blocks."))


def diffusers_place(underscored: str) -> str | None:
    """`down_blocks_1_resnets_0_conv1` -> `down_blocks.1.resnets.0.conv1`, as far as `to_ldm` reads it; else None.

    What follows an attention's number stays as it is: both namings share it.
    """
    found = re.fullmatch(r"(mid_block|(?:down|up)_blocks_\d+)_([a-z]+)_(\d+)_(.+)", underscored)
    if found:
        return ".".join((re.sub(r"_(\d+)$", r".\1", found[1]), *found.groups()[1:]))
    return next((path for path in _ENDS if path.replace(".", "_") == underscored), None)


def ldm_place(underscored: str) -> str | None:
    """`input_blocks_4_1_proj_in` -> `input_blocks.4.1.proj_in`, as far as `to_diffusers` reads it; else None."""
    found = re.fullmatch(r"(middle_block|(?:input|output)_blocks_\d+)_(\d)_(.+)", underscored)
    if found:
        rest = next((ldm for ldm in _RESNET_BACK if ldm.replace(".", "_") == found[3]), found[3])
        return ".".join((re.sub(r"_(\d+)$", r".\1", found[1]), found[2], rest))
    return next((path for path in _ENDS_BACK if path.replace(".", "_") == underscored), None)


def text_path(path: str) -> str:
    """A text encoder's module path as files have it: with `text_model`, which transformers 5 left out."""
    outside = path.startswith("text_model.") or path == "text_projection"
    return path if outside else f"text_model.{path}"


def kohya_name(prefix: str, path: str) -> str:
    """`lora_unet`, `mid_block.attentions.0` -> `lora_unet_mid_block_attentions_0`, as sd-scripts joins them."""
    return f"{prefix}_{path.replace('.', '_')}"


def part_of(name: str) -> str:
    """Which weight applies to a module: "unet" (the denoiser of any family), "adapter" (what stands before Anima's),
    "te1" (a model's only text encoder, or its first), "te2" or "te3"."""
    if name.startswith(f"{UNET}_"):
        return "adapter" if name.startswith(f"{UNET}_llm_adapter_") else "unet"
    return next((part for part in ("te2", "te3") if name.startswith(f"lora_{part}_")), "te1")


# A transformer's blocks by the first words of their modules' names, and the letters that stand for them.
TRANSFORMER_BLOCKS = {
    "txtfusion_layerwise_blocks": "TF",
    "txtfusion_refiner_blocks": "TR",
    "llm_adapter_blocks": "A",
    "context_refiner": "CR",
    "noise_refiner": "NR",
    "double_blocks": "D",
    "single_blocks": "S",
    "joint_blocks": "J",
    "transformer_blocks": "B",
    "blocks": "B",
    "layers": "L",
}
_TRANSFORMER_BLOCK = re.compile(rf"({'|'.join(TRANSFORMER_BLOCKS)})_(\d+)_")
_LAST = ("final_layer", "all_final_layer", "last_", "proj_out", "norm_out", "llm_adapter_out_proj", "llm_adapter_norm")
_TRANSFORMER_ENDS = (
    *_LAST,
    *(
        "img_in",
        "txt_in",
        "time_in",
        "vector_in",
        "guidance_in",
        "double_stream",
        "single_stream",
        "distilled_guidance",
    ),
    *("x_embedder", "all_x_embedder", "t_embedder", "t_embedding_norm", "cap_embedder", "y_embedder"),
    *(
        "context_embedder",
        "time_text_embed",
        "txt_norm",
        "first",
        "tmlp",
        "tproj",
        "txtmlp",
        "txtfusion",
        "llm_adapter",
    ),
)


def block_of(name: str) -> str:
    """The block of a kohya name as block weights count them: BASE (text encoders), IN00.., M00, OUT00.., or "other".

    A transformer's are counted by kind (`TRANSFORMER_BLOCKS`: D00.., S00.. of FLUX), with START and END around them.
    Diffusers' names are counted through the original naming with two layers a block, which all public UNets have.
    """
    if not name.startswith(f"{UNET}_"):
        return "BASE"
    path = name.removeprefix(f"{UNET}_")
    if found := _TRANSFORMER_BLOCK.match(path):
        return f"{TRANSFORMER_BLOCKS[found[1]]}{int(found[2]):02d}"
    if path.startswith(_TRANSFORMER_ENDS):
        return "END" if path.startswith(_LAST) else "START"
    for start, block in (("middle_block_", "M00"), ("mid_block_", "M00"), ("conv_in", "IN00")):
        if path.startswith(start):
            return block
    if found := re.match(r"(input|output)_blocks_(\d+)_", path):
        return f"{'IN' if found[1] == 'input' else 'OUT'}{int(found[2]):02d}"
    return _block_of_diffusers_path(path)


# Blocks by their letters, in the order that a picture passes through them.
_PASSING = ("BASE", "START", "TF", "TR", "A", "CR", "NR", "IN", "M", "OUT", "D", "S", "J", "B", "L", "END")


def block_order(block: str) -> tuple[int, str]:
    """Sorts blocks' names as a picture passes through them, what is no block's name last."""
    letters = block.rstrip("0123456789")
    return _PASSING.index(letters) if letters in _PASSING else len(_PASSING), block


def _block_of_diffusers_path(path: str) -> str:
    found = re.match(r"(down|up)_blocks_(\d+)_(\w+?)_(\d+)_", path)
    if not found:
        return "other"
    if found[3] == "downsamplers":
        return f"IN{(int(found[2]) + 1) * 3:02d}"
    if found[3] == "upsamplers":
        return f"OUT{int(found[2]) * 3 + 2:02d}"
    number = int(found[2]) * 3 + int(found[4])
    return f"IN{number + 1:02d}" if found[1] == "down" else f"OUT{number:02d}"


def kernel_of(name: str, linear_projections: bool) -> tuple[int, ...]:
    """The kernel of a UNet's module by its name: diffusers' and LDM's resnets and samplers are 3x3, the rest linear.

    `linear_projections`: whether the transformers' outer projections are linear (SD2, SDXL) or 1x1 (SD1).
    """
    if not name.startswith(f"{UNET}_"):
        return ()
    ends_3x3 = ("_conv1", "_conv2", "_conv", "_conv_in", "_conv_out", "_in_layers_2", "_out_layers_3", "_op", "_out_2")
    if name.endswith((*ends_3x3, "input_blocks_0_0")):
        return (3, 3)
    if name.endswith(("_conv_shortcut", "_skip_connection")):
        return (1, 1)
    if name.endswith(("_proj_in", "_proj_out")) and not linear_projections:
        return (1, 1)
    return ()
