"""Each family's tiny model renders, and carries a LoRA, exactly as diffusers' own pipeline does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler

from base_models.base_model import BaseModel, load_base
from base_models.drawing.guidance import read_prompts
from base_models.drawing.guided_unet import GuidedUnet
from base_models.drawing.render import render
from base_models.prompts.conditioning import Conditioning, encode_prompt
from eval.rendering.patching import PatchedModel, check_fits
from eval.request.cells import Sampling
from foundation.errors import LoraFileError
from loras.lora_file import read_lora
from random_loras import random_kohya_file
from tiny_families import tiny_folder, tiny_pipeline

KEYS = ("sd1", "sd2", "sdxl")
PROMPTS = ["photo of a cat, red", "two dogs, (blue) sky"]
SEEDS, STEPS, CFG = [3, 4], 4, 5.0
SAMPLING = Sampling("tiny", "float32", "euler_a", STEPS, CFG, 32, 32, 1, "")


@pytest.fixture(scope="module", params=KEYS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(request.param, tmp_path_factory.mktemp("base") / request.param)


@pytest.fixture(scope="module")
def base(folder: Path) -> BaseModel:
    return load_base(str(folder))


@pytest.fixture(scope="module")
def unet(base: BaseModel) -> GuidedUnet:
    return GuidedUnet(base.unet)


def diffusers_pictures(pipeline: Any, guidance: list[Any]) -> np.ndarray:
    """A plain pipeline's, given our conditioning, so that what differs is the family's way of sampling."""
    pipeline.scheduler = EulerAncestralDiscreteScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="linspace"
    )
    wanted = Conditioning.stack([one.wanted for one in guidance])
    unwanted = Conditioning.stack([one.unwanted for one in guidance])
    pooled = {}
    if wanted.pooled is not None:
        pooled = {"pooled_prompt_embeds": wanted.pooled, "negative_pooled_prompt_embeds": unwanted.pooled}
    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    return pipeline(
        prompt_embeds=wanted.text, negative_prompt_embeds=unwanted.text, **pooled, generator=generators, width=32,
        height=32, num_inference_steps=STEPS, guidance_scale=CFG, output_type="np",
    ).images  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_a_prompt_is_read_as_diffusers_reads_it(key: str, tmp_path: Path) -> None:
    """To the bit, with and without a negative prompt."""
    base, pipeline = load_base(str(tiny_folder(key, tmp_path / key))), tiny_pipeline(key)
    for negative in ("", "ugly, blurry"):
        ours = read_prompts(base, ["photo of a cat, smiling!"], negative)[0]
        asked = {"negative_prompt": negative or None, "do_classifier_free_guidance": True}
        theirs = pipeline.encode_prompt("photo of a cat, smiling!", device="cpu", num_images_per_prompt=1, **asked)
        assert torch.equal(ours.wanted.text, theirs[0])
        assert torch.equal(ours.unwanted.text, theirs[1])
        if key == "sdxl":
            assert torch.equal(ours.wanted.pooled, theirs[2])
            assert torch.equal(ours.unwanted.pooled, theirs[3])


def test_clip_skip_counts_layers_from_the_end_on_sd1_and_does_nothing_elsewhere(base: BaseModel) -> None:
    plain, skipped = (encode_prompt(base, "a cat", skip).text for skip in (1, 2))
    if base.family.key != "sd1":
        assert torch.equal(plain, skipped)
        return
    encoder: Any = base.text_encoders[0]
    layers: list[torch.Tensor] = []
    hooks = [layer.register_forward_hook(lambda *call: layers.append(call[2])) for layer in encoder.encoder.layers]
    encode_prompt(base, "a cat", 1)
    for hook in hooks:
        hook.remove()
    for layer, ours in ((layers[-1], plain), (layers[-2], skipped)):
        assert torch.equal(encoder.final_layer_norm(layer[0] if isinstance(layer, tuple) else layer), ours)
    assert not torch.equal(plain, skipped)


def test_pictures_are_diffusers_own(base: BaseModel, unet: GuidedUnet) -> None:
    guidance = read_prompts(base, PROMPTS)
    ours = render(base, unet, SAMPLING, guidance, SEEDS)
    theirs = diffusers_pictures(tiny_pipeline(base.family.key), guidance)
    assert np.abs(ours - theirs).max() <= 2 / 255
    assert np.abs(ours[0] - ours[1]).max() > 0.02, "another prompt and seed must be seen"


def test_a_kohya_lora_is_diffusers_own(base: BaseModel, unet: GuidedUnet, tmp_path: Path) -> None:
    """Put on here, and loaded by diffusers at weight 1: both text encoders of SDXL and its UNet's names included."""
    path = random_kohya_file(tmp_path / "lora.safetensors", base.modules, 5, strength=0.4)
    lora = read_lora(path)
    check_fits(lora, path, base)
    plain = read_prompts(base, PROMPTS)
    before = render(base, unet, SAMPLING, plain, SEEDS)
    patched = PatchedModel(base)
    patched.put_on(lora.modules)
    guidance = read_prompts(base, PROMPTS)
    ours = render(base, unet, SAMPLING, guidance, SEEDS)
    patched.take_off()
    pipeline = tiny_pipeline(base.family.key)
    pipeline.load_lora_weights(path.parent, weight_name=path.name)
    theirs = pipeline.encode_prompt("photo of a cat, red", device="cpu", num_images_per_prompt=1,
                                    do_classifier_free_guidance=False)  # fmt: skip
    assert torch.allclose(guidance[0].wanted.text, theirs[0], atol=1e-4)
    assert not torch.allclose(guidance[0].wanted.text, plain[0].wanted.text, atol=1e-2)
    assert np.abs(ours - diffusers_pictures(pipeline, guidance)).max() <= 2 / 255
    assert np.abs(ours - before).max() > 4 / 255, "the LoRA must be seen"


def test_a_lora_of_another_family_is_refused_in_words(base: BaseModel, tmp_path: Path) -> None:
    other = "sd1" if base.family.key == "sdxl" else "sdxl"
    stranger = load_base(str(tiny_folder(other, tmp_path / other)))
    path = random_kohya_file(tmp_path / "lora.safetensors", stranger.modules, 5)
    with pytest.raises(LoraFileError, match=f"which is {base.family.name}") as caught:
        check_fits(read_lora(path), path, base)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("key", KEYS)
def test_the_family_is_recognised(key: str, tmp_path: Path) -> None:
    base = load_base(str(tiny_folder(key, tmp_path / key)))
    assert (base.family.key, len(base.text_encoders)) == (key, 2 if key == "sdxl" else 1)
    assert base.scheduler_config["prediction_type"] == ("v_prediction" if key == "sd2" else "epsilon")
