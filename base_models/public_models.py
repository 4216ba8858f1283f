"""The public models' parts without their weights: every module and shape of Stable Diffusion 1.5, 2.1 and SDXL."""

from __future__ import annotations

from functools import lru_cache

import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from base_models.families.family import TextPart
from base_models.families.known import FAMILIES


@lru_cache(maxsize=3)
def on_meta(key: str) -> tuple[nn.Module, tuple[nn.Module, ...]]:
    """UNet and text encoders of "sd1", "sd2" or "sdxl" on the meta device: every module and shape, no memory."""
    family = FAMILIES[key]
    with torch.device("meta"):
        return UNet2DConditionModel(**family.unet), tuple(_text_encoder(part) for part in family.text)


def _text_encoder(part: TextPart) -> nn.Module:
    """One whose pooled answer is used keeps its projection; the others are plain."""
    build = CLIPTextModelWithProjection if "projection_dim" in part.public else CLIPTextModel
    return build(CLIPTextConfig(**part.public))
