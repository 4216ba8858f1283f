"""A base model's parts without their weights: every module and shape on torch's meta device, which takes no memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from base_models.base_source import BaseSource
from base_models.families.family import TextPart
from foundation.typed.untyped import untyped


@dataclass(frozen=True)
class Shapes:
    """UNet and text encoders on the meta device, their parameters frozen."""

    unet: nn.Module
    text_encoders: tuple[nn.Module, ...]


def shapes_of(base: BaseSource) -> Shapes:
    """From the configurations alone: a folder's own, or its family's for a single file. Raises BaseModelError."""
    with torch.device("meta"):
        unet = untyped(UNet2DConditionModel).from_config(base.configuration("unet"))
        encoders = tuple(_text_encoder(base, part) for part in base.family.text)
    for model in (unet, *encoders):
        model.requires_grad_(False)
    return Shapes(unet, encoders)


def _text_encoder(base: BaseSource, part: TextPart) -> nn.Module:
    """One whose pooled answer is used keeps its projection; the others are plain."""
    build = CLIPTextModelWithProjection if "projection_dim" in part.public else CLIPTextModel
    return build(CLIPTextConfig(**base.text_configuration(part)))
