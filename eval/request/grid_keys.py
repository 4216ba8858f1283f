"""Every key of a grid's specification, with A1111's word for it."""

from __future__ import annotations

from eval.request.prompt_files import PromptFile
from eval.request.spec import JUDGES, GridSpec
from foundation.key_reference.key_facts import KeyFact, keys_of

A1111 = {
    "model.base": "Stable Diffusion checkpoint",
    "model.vae": "SD VAE",
    "lora.unet": "<lora:NAME:unet=WEIGHT>",
    "lora.te": "<lora:NAME:te=WEIGHT>",
    "sampler.name": "Sampling method",
    "sampler.steps": "Sampling steps",
    "sampler.cfg": "CFG Scale",
    "sampler.width": "Width",
    "sampler.height": "Height",
    "sampler.clip_skip": "Clip skip",
    "sampler.batch": "Batch size",
    "prompts.file": "Prompts from file or textbox",
    "prompts.texts": "Prompt",
    "prompts.negative": "Negative prompt",
    "prompts.seeds": "Seed",
}
KOHYA = {
    "model.base": "pretrained_model_name_or_path",
    "model.vae": "vae",
    "sampler.name": "sample_sampler",
    "sampler.steps": "--s of a prompt",
    "sampler.cfg": "--l of a prompt",
    "sampler.width": "--w of a prompt",
    "sampler.height": "--h of a prompt",
    "sampler.clip_skip": "clip_skip",
    "prompts.file": "sample_prompts",
    "prompts.negative": "--n of a prompt",
    "prompts.seeds": "--d of a prompt",
    "references.training": "train_data_dir",
}


def grid_keys() -> list[KeyFact]:
    """In the specification's order."""
    unnamed = {f"score.{key}": f'"miniature" with that base; else to be named: {as_}' for key, as_ in JUDGES.items()}
    return keys_of(GridSpec, {"kohya": KOHYA, "A1111": A1111}, unnamed)


def prompt_keys() -> list[KeyFact]:
    """Of a file of prompts."""
    return keys_of(PromptFile)
