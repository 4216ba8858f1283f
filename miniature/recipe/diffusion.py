"""The text-to-picture model: CLIP tokenizer and text encoder, UNet with cross-attention, SD1's noise schedule."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from miniature.recipe.training import Course, Outcome, run_course
from miniature.recipe.untyped import untyped

COURSE = Course("diffusion", steps=7800, rate=1e-3)
BATCH = 32
DROPPED_CAPTIONS = 0.1
TEXT_WIDTH = 128
MERGES = 49152 - 256 - 2
# SD1's scheduler file, but for the sampler's class: Euler a is the protocol's.
SCHEDULE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}


def build_tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's own byte-pair vocabulary (49,408 words), as open_clip ships it, in transformers' layout."""
    packed = files("open_clip").joinpath("bpe_simple_vocab_16e6.txt.gz").read_bytes()
    merges = gzip.decompress(packed).decode().split("\n")[1 : MERGES + 1]
    letters = list(_byte_letters())
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(merge.split()) for merge in merges)]
    vocabulary = {word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77, pad_token="<|endoftext|>"
    )


def _byte_letters() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes, in the order CLIP numbers them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + place) for place in range(len(others))]


def build_text_encoder() -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=77,
            projection_dim=TEXT_WIDTH,
            bos_token_id=49406,
            eos_token_id=49407,
            pad_token_id=49407,
        )
    )


def build_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(64, 128),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,  # diffusers' name for the number of heads
        norm_num_groups=16,
    )


def tokens_of(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """(N, 77) token ids, padded as Stable Diffusion pads."""
    encoded = untyped(tokenizer)(captions, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    return encoded.input_ids


@dataclass(frozen=True)
class Sitting:
    """What an earlier sitting left: UNet and text encoder after `steps` of the course."""

    unet: UNet2DConditionModel
    text: CLIPTextModel
    steps: int


def first_sitting() -> Sitting:
    """Random weights, no step done."""
    untyped(torch).manual_seed(COURSE.seed)
    return Sitting(build_unet(), build_text_encoder(), 0)


def shipped_sitting(folder: Path, steps: int) -> Sitting:
    """The weights in a diffusers folder, averaged over the `steps` done so far."""
    unet = untyped(UNet2DConditionModel).from_pretrained(folder / "unet", torch_dtype=torch.float32)
    text = untyped(CLIPTextModel).from_pretrained(folder / "text_encoder", dtype=torch.float32)
    return Sitting(unet, text, steps)


def train_diffusion(
    latents: Tensor, captions: list[list[str]], tokenizer: CLIPTokenizer, work: Path, begun: Sitting
) -> tuple[UNet2DConditionModel, CLIPTextModel, Outcome]:
    """Train UNet and text encoder together on scaled latents (N, 4, 16, 16), each with several captions."""
    unet, text = begun.unet.requires_grad_(True), begun.text.requires_grad_(True)
    nn.Module.to(unet, memory_format=torch.channels_last)
    model = nn.ModuleDict({"unet": unet, "text": text})
    tokens = torch.stack([tokens_of(tokenizer, [one[form] for one in captions]) for form in range(len(captions[0]))])
    nothing = tokens_of(tokenizer, [""])[0]
    kept = torch.cumprod(1 - _betas(), 0)

    def loss_of(generator: torch.Generator) -> Tensor:
        which = torch.randint(len(latents), (BATCH,), generator=generator)
        form = torch.randint(len(tokens), (BATCH,), generator=generator)
        clean, words = latents[which], tokens[form, which]
        words[torch.rand(BATCH, generator=generator) < DROPPED_CAPTIONS] = nothing
        noise = torch.randn(clean.shape, generator=generator)
        steps = torch.randint(1000, (BATCH,), generator=generator)
        share = kept[steps].view(-1, 1, 1, 1)
        noisy = (share.sqrt() * clean + (1 - share).sqrt() * noise).contiguous(memory_format=torch.channels_last)
        predicted = unet(noisy, steps, text(words).last_hidden_state, return_dict=False)[0]
        return ((predicted - noise).square().mean((1, 2, 3)) * debiased(kept[steps])).mean()

    outcome = run_course(COURSE, model, loss_of, work, begun.steps)
    return unet, text, outcome


def debiased(kept: Tensor) -> Tensor:
    """Weight of a step's error: 1 / sqrt(SNR). Yu et al. 2023, "Debias the Training of Diffusion Models".

    A caption's colours are decided where almost all is noise, and there the plain error in the noise hardly tells a
    right colour from a wrong one: clothes were still wrong in half of all pictures with min-SNR weights.
    """
    return ((1 - kept) / kept).sqrt()


def _betas() -> Tensor:
    """SD1's "scaled linear" betas: the square roots are spaced evenly."""
    return torch.linspace(SCHEDULE["beta_start"] ** 0.5, SCHEDULE["beta_end"] ** 0.5, 1000) ** 2


def save_pipeline(
    vae: AutoencoderKL, unet: UNet2DConditionModel, text: CLIPTextModel, tokenizer: CLIPTokenizer, folder: Path
) -> None:
    """Write the whole as a diffusers folder, fp16."""
    make: Any = StableDiffusionPipeline  # its annotations forbid what it documents: None for the safety checker
    pipeline = make(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=EulerAncestralDiscreteScheduler(**SCHEDULE, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16)
    pipeline.save_pretrained(folder, safe_serialization=True)
    pipeline.to(torch.float32)
    # transformers loads in the type that the configuration names: float32, as diffusers loads the other parts.
    config = folder / "text_encoder" / "config.json"
    config.write_text(config.read_text().replace('"float16"', '"float32"'))
    for part in ("unet", "vae"):
        _forget_where(folder / part / "config.json")


def _forget_where(path: Path) -> None:
    """Take the machine's own path, which diffusers writes, out of a configuration: it is nobody's, and it is hashed."""
    config = json.loads(path.read_text())
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
