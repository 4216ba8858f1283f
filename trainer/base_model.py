"""The base model: name, folder or hub id -> a loaded Stable Diffusion, its content hash, its modules by kohya name."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import logging
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from trainer.base_folder import base_sha256, find_base
from trainer.errors import BaseModelError


@dataclass(frozen=True)
class BaseModel:
    """A Stable Diffusion 1.x in evaluation mode, its parameters frozen.

    `sha256` covers the contents of every file it was loaded from; `modules` are the Linear and Conv2d modules that a
    LoRA can name, by kohya name.
    """

    name: str
    sha256: str
    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler_config: dict[str, object]
    modules: dict[str, nn.Module]

    @property
    def device(self) -> torch.device:
        return self.unet.device


def load_base(name: str, dtype: torch.dtype = torch.float32, device: str = "cpu") -> BaseModel:
    """Load a base model onto `device` ("auto": a GPU where there is one)."""
    folder = find_base(name)
    logging.disable_progress_bar()  # a bar of the library's own, which no setting of the environment turns off
    try:
        pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=dtype, safety_checker=None)
    except (OSError, ValueError, KeyError) as error:
        raise BaseModelError(f"{folder}: cannot be loaded: {str(error).splitlines()[0]}") from error
    pipeline.to(chosen_device(device))
    for part in (pipeline.unet, pipeline.text_encoder, pipeline.vae):
        part.requires_grad_(False).eval()
    modules = kohya_modules(pipeline.unet, "lora_unet") | kohya_modules(pipeline.text_encoder, "lora_te")
    return BaseModel(
        name,
        base_sha256(folder),
        pipeline.tokenizer,
        pipeline.text_encoder,
        pipeline.unet,
        pipeline.vae,
        dict(pipeline.scheduler.config),
        modules,
    )


def chosen_device(name: str) -> str:
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def kohya_modules(model: nn.Module, prefix: str) -> dict[str, nn.Module]:
    """The model's Linear and Conv2d modules by kohya name: `<prefix>_<path, dots as _>`.

    Text encoder keys always carry `text_model`, which transformers 5 left out of `CLIPTextModel`'s module paths.
    """
    named: dict[str, nn.Module] = {}
    for path, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            whole = path if prefix == "lora_unet" or path.startswith("text_model.") else f"text_model.{path}"
            named[f"{prefix}_{whole.replace('.', '_')}"] = module
    return named
