"""A very small random Stable Diffusion 1.x, and data to train on: for tests that need no good pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WIDTH = 16  # of the text encoder, and of the UNet's cross-attention
SIDE = 32  # pixels of a training picture: latents of 8 x 8


def tiny_base(folder: Path, prediction_type: str = "epsilon") -> Path:
    """Write the pipeline into `folder` (random weights, the same each time) and return it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = _tokenizer(folder / "tokenizer")
        pipeline = StableDiffusionPipeline(
            vae=_vae(),
            text_encoder=_text_encoder(len(tokenizer)),
            tokenizer=tokenizer,
            unet=_unet(),
            scheduler=EulerAncestralDiscreteScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                steps_offset=1,
                prediction_type=prediction_type,
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.save_pretrained(folder)
    return folder


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """Every ASCII letter by itself and at the end of a word, and a few merges."""
    letters = [chr(code) for code in range(33, 127)]
    merges = ["o h", "p e", "pe r</w>"]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(merge.split()) for merge in merges)]
    numbered = {word: at for at, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(numbered))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77, pad_token="<|endoftext|>"
    )


def _text_encoder(words: int) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=words,
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=77,
            bos_token_id=words - 2,
            eos_token_id=words - 1,
            pad_token_id=words - 1,
        )
    )


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=8,
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        sample_size=SIDE,
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=4,
        mid_block_add_attention=False,
    )


def tiny_data(folder: Path, train: int = 3, reg: int = 4) -> Path:
    """kohya folders `Train/2_ohwx person` (captioned) and `Reg/1_person` (not) of random pictures; returns `folder`."""
    for parent, count in (("Train/2_ohwx person", train), ("Reg/1_person", reg)):
        (folder / parent).mkdir(parents=True)
        for number in range(count):
            tiny_picture(folder / parent / f"{number:02d}.png", seed=number + 100 * len(parent))
    for path in (folder / "Train").glob("*/*.png"):
        path.with_suffix(".txt").write_text(f"photo of ohwx person, Smiling, look {path.stem}", encoding="utf-8")
    return folder


def tiny_picture(path: Path, seed: int, size: tuple[int, int] = (SIDE, SIDE)) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def tiny_settings(base: Path) -> dict[str, dict[str, object]]:
    """A configuration's tables over `tiny_data` in the same folder: 3 steps an epoch, 2 epochs, all on the CPU."""
    return {
        "model": {"base": str(base), "device": "cpu", "dtype": "float32"},
        "data": {"train": "Train", "reg": "Reg", "resolution": SIDE},
        "lora": {"rank": 2, "alpha": 1.0},
        "training": {"epochs": 2, "batch_size": 4, "unet_lr": 1e-2, "te_lr": 5e-3, "optimizer": "AdamW"},
        "output": {"folder": "out", "name": "hina"},
    }
