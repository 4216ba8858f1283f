"""Builds diffusers' pipeline of a single file without the hub: the configuration files are written from the family."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextConfig, CLIPTokenizer

from base_models.families.family import Config, Family, TextPart
from foundation.typed.untyped import untyped
from miniature.paths import FOLDERS

# CLIP's own vocabulary, which every family reads with, lies with the miniature (MIT, see miniature/README.md).
CLIP_VOCABULARY = FOLDERS["base"] / "tokenizer"


def load_single_file(path: Path, family: Family, prediction: str, dtype: torch.dtype, **given: object) -> Any:
    """diffusers' pipeline of `family`; parts in `given` are taken instead of the file's."""
    kind: Any = getattr(diffusers, family.pipeline)
    with tempfile.TemporaryDirectory() as name:
        write_configuration(family, prediction, Path(name))
        return kind.from_single_file(str(path), config=name, torch_dtype=dtype, local_files_only=True, **given)


def load_vae(path: Path, family: Family, dtype: torch.dtype) -> AutoencoderKL:
    """A VAE by itself: a diffusers folder, or a file in the original naming (one that holds more is read in part)."""
    if path.is_dir():
        return untyped(AutoencoderKL).from_pretrained(path, torch_dtype=dtype, use_safetensors=True)
    with tempfile.TemporaryDirectory() as name:
        _write(Path(name) / "vae" / "config.json", {"_class_name": "AutoencoderKL", **family.vae})
        return untyped(AutoencoderKL).from_single_file(
            str(path), config=name, subfolder="vae", torch_dtype=dtype, local_files_only=True
        )


def write_configuration(family: Family, prediction: str, folder: Path) -> None:
    """The files of a diffusers model of this family, all but its weights."""
    text = {part.encoder: ["transformers", _class(part)] for part in family.text}
    tokenizers = {part.tokenizer: ["transformers", "CLIPTokenizer"] for part in family.text}
    scheduler = "EulerDiscreteScheduler"
    index = {
        "_class_name": family.pipeline,
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", scheduler],
        **text,
        **tokenizers,
    }
    _write(folder / "model_index.json", index)
    _write(folder / "unet" / "config.json", {"_class_name": "UNet2DConditionModel", **family.unet})
    _write(folder / "vae" / "config.json", {"_class_name": "AutoencoderKL", **family.vae})
    schedule = {"_class_name": scheduler, **family.schedule, "prediction_type": prediction}
    _write(folder / "scheduler" / "scheduler_config.json", schedule)
    for part in family.text:
        untyped(clip_config(part)).save_pretrained(folder / part.encoder)
        tokenizer = untyped(CLIPTokenizer).from_pretrained(CLIP_VOCABULARY, pad_token=part.pad)
        tokenizer.save_pretrained(folder / part.tokenizer)


def clip_config(part: TextPart) -> CLIPTextConfig:
    """The text encoder's configuration, with CLIP's own start and end tokens."""
    clip: Config = {"vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407}
    return CLIPTextConfig(**clip, **part.public)


def _class(part: TextPart) -> str:
    return "CLIPTextModelWithProjection" if "projection_dim" in part.public else "CLIPTextModel"


def _write(path: Path, config: Config) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config), encoding="utf-8")
