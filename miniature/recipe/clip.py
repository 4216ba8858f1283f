"""The miniature's CLIP: a small ResNet and text tower in open_clip's own classes, written in its `local-dir:` layout."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from miniature.recipe.dataset import Drawn
from miniature.recipe.draw import draw_person
from miniature.recipe.face_pictures import blurred
from miniature.recipe.training import Course, Outcome, as_input, run_course
from miniature.recipe.world import CLASS_WORD, caption, draw_identity_where, draw_scene

COURSE = Course("clip", steps=1000, rate=2e-3, warm_up=0.1, weight_decay=1e-2, decay=0.998)
BATCH = 192
SPARSE = 0.3  # share of the captions cut down to a few words, so that single attributes count
MAX_LOGIT_SCALE = 100.0  # Radford et al. 2021, "Learning Transferable Visual Models", section 2.5
MODEL = {
    "embed_dim": 128,
    # ModifiedResNet: `layers` as a list; at 64 px a CNN learns in far fewer CPU minutes than a ViT of its size.
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 14, "head_width": 64},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 2},
}
# The whole picture is scaled down, never cropped: open_clip's default centre crop would cut portraits.
PREPROCESS = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "longest"}


def _write_config(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": MODEL, "preprocess_cfg": {"size": 64, "mode": "RGB", **PREPROCESS}}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")


def _sparse(told: str, rng: random.Random) -> str:
    """The caption with only some of what it says, down to a single attribute."""
    who, *parts = told.split(", ")
    keep = rng.uniform(0.15, 0.8)
    return ", ".join([who, *(part for part in parts if rng.random() < keep)])


def _augmented(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the pictures a little blurred and noisy, as those that a small diffusion model makes."""
    soft = blurred(pictures, generator)
    return soft + torch.randn(soft.shape, generator=generator) * 0.06 * torch.rand(len(soft), 1, 1, 1, generator=generator)


def encode_words(model: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Text features (N, 128) as `encode_text`, without the padding: the tower is causal and reads its end token's place."""
    longest = int(tokens.argmax(-1).max()) + 1
    tokens = tokens[:, :longest]
    states = model.token_embedding(tokens) + model.positional_embedding[:longest]
    states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask[:longest, :longest]))
    return states[torch.arange(len(tokens)), tokens.argmax(-1)] @ model.text_projection


def train_clip(drawn: Drawn, work: Path, folder: Path) -> Outcome:
    """Train contrastively on pictures and their captions (whole, loose, sparse); write `folder` as open_clip reads it."""
    torch.manual_seed(COURSE.seed)
    _write_config(folder)
    name = f"local-dir:{folder}"
    model = open_clip.create_model(name, load_weights=False)
    tokenizer = open_clip.get_tokenizer(name)
    pictures = torch.from_numpy(drawn.pixels)

    def loss_of(generator: torch.Generator) -> Tensor:
        which = torch.randint(len(pictures), (BATCH,), generator=generator)
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        told = [rng.choice(drawn.captions[one]) for one in which.tolist()]
        told = [_sparse(one, rng) if rng.random() < SPARSE else one for one in told]
        seen = functional.normalize(model.encode_image(_augmented(as_input(pictures[which]), generator)))
        read = functional.normalize(encode_words(model, tokenizer(told)))
        logits = model.logit_scale.exp().clamp(max=MAX_LOGIT_SCALE) * seen @ read.T
        right = torch.arange(BATCH)
        return (functional.cross_entropy(logits, right) + functional.cross_entropy(logits.T, right)) / 2

    outcome = run_course(COURSE, model, loss_of, work)
    half = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    save_file({key: value.contiguous() for key, value in half.items()}, folder / "open_clip_model.safetensors")
    return outcome
