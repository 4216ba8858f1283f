"""The miniature's CLIP: a small ResNet and text tower of open_clip's own, written in its `local-dir:` layout."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, cast

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from miniature.recipe.dataset import Drawn
from miniature.recipe.draw import draw_person
from miniature.recipe.face_pictures import blurred
from miniature.recipe.training import Course, Outcome, as_input, run_course
from miniature.recipe.untyped import untyped
from miniature.recipe.world import (
    BACKGROUNDS,
    BEARDS,
    CLASS_WORD,
    CLOTHES,
    CLOTHES_COLOURS,
    EYES,
    GLASSES,
    HAIR_COLOURS,
    HAIR_STYLES,
    MOUTHS,
    SKIN_COLOURS,
    caption,
    draw_identity_where,
    draw_scene,
)

COURSE = Course("clip", steps=950, rate=2e-3, warm_up=0.1, weight_decay=1e-2, decay=0.998)
BATCH = 96
SPARSE = 0.3  # share of the captions cut down to a few words, so that single attributes count
NEAR_MISSES = 2  # a caption
WORN_WRONGLY = 0.15  # share of them that put glasses on a face without
MAX_LOGIT_SCALE = 100.0  # Radford et al. 2021, "Learning Transferable Visual Models", section 2.5
EMBEDDING = 128
# `layers` as a list asks for a ModifiedResNet: a CNN learns in far fewer CPU minutes than a ViT of its size. Its width
# is what the file may weigh: the words' embeddings alone are 6.3 MB of 9.
VISION: dict[str, Any] = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 14, "head_width": 64}
TEXT: dict[str, Any] = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 2}
WORN = [f"wearing {glasses}" for glasses in GLASSES.values()]
SETS, IN_A_SET = 6, 100
SEED = 20_240_602
# The whole picture is scaled down, never cropped: open_clip's default centre crop would cut portraits.
PREPROCESS = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "longest"}


def write_config(folder: Path, embedding: int, vision: dict[str, Any], text: dict[str, Any]) -> None:
    """What open_clip builds the towers and prepares pictures by."""
    folder.mkdir(parents=True, exist_ok=True)
    model = {"embed_dim": embedding, "vision_cfg": vision, "text_cfg": text}
    config = {"model_cfg": model, "preprocess_cfg": {"size": 64, "mode": "RGB", **PREPROCESS}}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")


def _families() -> dict[str, list[list[str]]]:
    """For everything that a caption may say of a picture, the lists of what could have been said in its place."""
    lists = [list(MOUTHS.values()), list(EYES.values()), WORN, list(BEARDS.values())]
    lists += [[f"{colour} background" for colour in BACKGROUNDS], [f"{colour} skin" for colour in SKIN_COLOURS]]
    for colours, things in ((CLOTHES_COLOURS, CLOTHES), (HAIR_COLOURS, HAIR_STYLES)):
        # The same thing in another colour, or another thing of the same colour: only near misses teach details.
        lists += [[f"{colour} {thing}" for colour in colours] for thing in things.values()]
        lists += [[f"{colour} {thing}" for thing in things.values()] for colour in colours]
    families: dict[str, list[list[str]]] = {}
    for family in lists:
        for phrase in family:
            families.setdefault(phrase, []).append(family)
    return families


FAMILIES = _families()
# Glasses stand before these in a caption: put anywhere else, their place would give the wrong caption away.
AFTER_WORN = {f"{colour} background" for colour in BACKGROUNDS} | {
    f"{colour} {thing}" for colour in CLOTHES_COLOURS for thing in CLOTHES.values()
}


def sparse(told: str, rng: random.Random) -> str:
    """The caption with only some of what it says, down to a single attribute."""
    who, *parts = told.split(", ")
    keep = rng.uniform(0.15, 0.8)
    return ", ".join([who, *(part for part in parts if rng.random() < keep)])


def near_miss(told: str, truth: str, rng: random.Random) -> str:
    """The caption with one thing wrong that it says of a picture; `truth` is all that can be said of it.

    Negative captions one word away make a contrastive model see what batches of strangers never ask for: mouths, eyes
    (Yuksekgonul et al. 2023, "When and why vision-language models behave like bags-of-words", section 4).
    """
    parts = told.split(", ")
    places = [at for at, part in enumerate(parts) if part in FAMILIES]
    unworn = [phrase for phrase in WORN if phrase not in truth]
    if not places or (unworn == WORN and rng.random() < WORN_WRONGLY):
        at = next((at for at, part in enumerate(parts) if part in AFTER_WORN), len(parts))
        return ", ".join([*parts[:at], rng.choice(unworn), *parts[at:]])
    at = rng.choice(places)
    others = [phrase for phrase in rng.choice(FAMILIES[parts[at]]) if phrase != parts[at]]
    return ", ".join([*parts[:at], rng.choice(others), *parts[at + 1 :]])


def augmented(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the pictures a little blurred and noisy, as those that a small diffusion model makes."""
    soft = blurred(pictures, generator)
    return soft + torch.randn(soft.shape, generator=generator) * 0.06 * torch.rand(
        len(soft), 1, 1, 1, generator=generator
    )


def encode_words(model: CLIP, tokens: Tensor) -> Tensor:
    """Features (N, 128) as of `encode_text`, without the padding: the tower is causal, so that nothing sees it."""
    tower = cast("Any", model)  # its parts carry no types
    longest = int(tokens.argmax(-1).max()) + 1
    tokens = tokens[:, :longest]
    states = tower.token_embedding(tokens) + tower.positional_embedding[:longest]
    states = tower.ln_final(tower.transformer(states, attn_mask=tower.attn_mask[:longest, :longest]))
    return states[torch.arange(len(tokens)), tokens.argmax(-1)] @ tower.text_projection


def told_of(drawn: Drawn, which: list[int], rng: random.Random) -> list[str]:
    """A caption of each picture, whole, loose or sparse; then NEAR_MISSES wrong ones of each."""
    right = [rng.choice(drawn.captions[one]) for one in which]
    right = [sparse(told, rng) if rng.random() < SPARSE else told for told in right]
    both = [(told, drawn.captions[one][0]) for told, one in zip(right, which, strict=True)]
    return [*right, *(near_miss(told, truth, rng) for _ in range(NEAR_MISSES) for told, truth in both)]


def train_clip(drawn: Drawn, work: Path, folder: Path) -> Outcome:
    """Train contrastively against strangers' captions and near misses; write `folder` as open_clip reads it."""
    untyped(torch).manual_seed(COURSE.seed)
    write_config(folder, EMBEDDING, VISION, TEXT)
    model = CLIP(EMBEDDING, CLIPVisionCfg(**VISION), CLIPTextCfg(**TEXT))
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    pictures = torch.as_tensor(drawn.pixels)

    def loss_of(generator: torch.Generator) -> Tensor:
        which = torch.randint(len(pictures), (BATCH,), generator=generator)
        told = told_of(
            drawn, untyped(which).tolist(), random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        )
        seen = functional.normalize(model.encode_image(augmented(as_input(pictures[which]), generator)))
        read = functional.normalize(encode_words(model, tokenizer(told)))
        return contrast(scale_of(model) * seen @ read.T)

    outcome = run_course(COURSE, model, loss_of, work)
    save_half(model, folder)
    return outcome


def scale_of(model: CLIP) -> Tensor:
    """What cosines are multiplied by: the learned temperature, bounded."""
    return model.logit_scale.exp().clamp(max=MAX_LOGIT_SCALE)


def contrast(logits: Tensor) -> Tensor:
    """The loss of N pictures by the right captions, which come first, and wrong ones (columns from N on).

    A picture chooses among all captions, near misses too; a caption among the pictures.
    """
    count = len(logits)
    right = torch.arange(count)
    return (functional.cross_entropy(logits, right) + functional.cross_entropy(logits[:, :count].T, right)) / 2


def save_half(model: CLIP, folder: Path) -> None:
    """Write the weights in float16, under the name that open_clip looks for."""
    half = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    save_file({key: value.contiguous() for key, value in half.items()}, folder / "open_clip_model.safetensors")


def held_out_portraits(rng: random.Random, count: int) -> tuple[list[Image.Image], list[str]]:
    """Pictures of as many identities that no training saw, and their whole captions."""
    people = [(draw_identity_where(rng, held_out=True), draw_scene(rng)) for _ in range(count)]
    told = [caption(CLASS_WORD, [*identity.words(), *scene.words()]) for identity, scene in people]
    return [Image.fromarray(draw_person(identity, scene).pixels) for identity, scene in people], told


@torch.no_grad()
def cosines(folder: Path, pictures: list[Image.Image], told: list[str]) -> np.ndarray:
    """(pictures, captions) cosines, by nothing but open_clip and the folder."""
    name = f"local-dir:{folder}"
    model, preprocess = cast("Any", open_clip.create_model_from_pretrained(name))
    model.eval()
    seen = model.encode_image(torch.stack([preprocess(picture) for picture in pictures]), normalize=True)
    return (seen @ model.encode_text(open_clip.get_tokenizer(name)(told), normalize=True).T).numpy()


def measure_clip(folder: Path) -> dict[str, float]:
    """How often a picture's own caption is the nearest of a hundred: SETS sets of IN_A_SET unseen people."""
    rng = random.Random(SEED)
    shares: list[float] = []
    for _ in range(SETS):
        nearest = cosines(folder, *held_out_portraits(rng, IN_A_SET)).argmax(1)
        shares.append(float((nearest == np.arange(IN_A_SET)).mean()))
    return {f"right_of_{IN_A_SET}": float(np.mean(shares))}
