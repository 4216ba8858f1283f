"""Stable Diffusion 1, 2 and XL: a UNet, whose names follow from its configuration, and CLIP text encoders."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from base_models.families.family import Family
from base_models.families.known import FAMILIES
from base_models.kohya_names import UnetLayout
from loras.families.family import CLIP_TRANSFORMER, Part, ReadableFamily, TextNames
from loras.families.rows import Row, Rows
from loras.families.text_encoders import CLIP

_ATTENTION = tuple(f"{attn}.{side}" for attn, side in product(("attn1", "attn2"), ("to_q", "to_k", "to_v", "to_out.0")))
_TRANSFORMER = tuple(
    f"transformer_blocks.#.{name}" for name in (*_ATTENTION, "ff.net.0.proj", "ff.net.2", "norm1", "norm2", "norm3")
)
_ATTENDING = ("norm", "proj_in", "proj_out", *_TRANSFORMER)
_RESNET = ("norm1", "conv1", "time_emb_proj", "norm2", "conv2", "conv_shortcut")
_ENDS = ("time_embedding.linear_1", "time_embedding.linear_2", "conv_in", "conv_norm_out", "conv_out")
_TOLD = ("add_embedding.linear_1", "add_embedding.linear_2")
_COMFYUI = {"lora_te2": "text_encoders.clip_g.transformer.", "lora_te1": CLIP_TRANSFORMER}

_ALONE = {"sd1": CLIP_TRANSFORMER, "sd2": "text_encoders.clip_h.transformer.", "sdxl": CLIP_TRANSFORMER}


def _paths(family: Family, layout: UnetLayout) -> Iterable[str]:
    """diffusers' paths of a UNet's modules."""
    blocks = len(layout.attending_up)
    yield from _ENDS
    yield from _TOLD if "addition_embed_type" in family.unet else ()
    for side, extra in (("down", 0), ("up", 1)):
        for block in range(blocks):
            attends = layout.attending_up[block] if side == "up" else layout.attending_up[blocks - 1 - block]
            for layer in range(layout.layers + extra):
                yield from (f"{side}_blocks.{block}.resnets.{layer}.{name}" for name in _RESNET)
                yield from (f"{side}_blocks.{block}.attentions.{layer}.{name}" for name in _ATTENDING if attends)
            if block < blocks - 1:
                yield f"{side}_blocks.{block}.{side}samplers.0.conv"
    yield from (f"mid_block.attentions.0.{name}" for name in _ATTENDING)
    yield from (f"mid_block.resnets.{layer}.{name}" for layer in range(2) for name in _RESNET)


def _of(family: Family) -> ReadableFamily:
    layout = UnetLayout.of({"layers_per_block": 2, **family.unet})
    rows = tuple(
        Row(layout.to_ldm(path), (path,), own="" if family.original_names else path) for path in _paths(family, layout)
    )
    alone = len(family.text) == 1
    texts = tuple(
        TextNames(f"te{at}", part.kohya, part.encoder, _COMFYUI.get(part.kohya, _ALONE[family.key]), CLIP)
        for at, part in enumerate(family.text, start=1)
    )
    return ReadableFamily(
        key=family.key,
        name=family.key.upper(),
        parts=(Part("unet", "unet"), *(Part(text.part, "te" if alone else text.part) for text in texts)),
        denoiser=Rows(rows),
        text=texts,
        diffusers="unet",
        transformer_class="UNet2DConditionModel",
        rendered=True,
    )


SD1, SD2, SDXL = (_of(FAMILIES[key]) for key in ("sd1", "sd2", "sdxl"))
