"""A blend's file at weight 1 renders as its parents do together at their weights: on the miniature, pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from base_models.base_model import BaseModel, load_base
from base_models.drawing.guidance import read_prompts
from base_models.drawing.guided_unet import GuidedUnet
from base_models.drawing.render import render
from eval.rendering.patching import PatchedModel
from eval.request.cells import Sampling
from foundation.progress import Silent
from lora_kinds import random_module
from loras.blend import blend
from loras.blending.blend_files import BlendRequest, write_blend
from loras.blending.weighted_lora import WeightedLora
from loras.lora_file import LoraFile, Module, read_lora, write_modules
from loras.module_kinds import Additive
from loras.weights import Weights
from random_loras import is_target

SAMPLING = Sampling("miniature", "float32", "euler_a", 8, 9.0, 64, 64, 1, "")
PROMPTS = ["photo of a ohwx person, smiling, red hoodie, blue background", "photo of a person, green t-shirt"]


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return load_base("miniature")


def random_file(base: BaseModel, kind: str, seed: int, path: Path) -> Path:
    """A LoRA of one kind on all that kohya trains, about as strong as a trained one."""
    made: dict[str, Module] = {}
    for number, (name, module) in enumerate(base.modules.items()):
        if is_target(name, module):
            shape = tuple(module.get_parameter("weight").shape)
            found = random_module(kind, shape, 2, 2.0, seed + number)
            scale = 0.02 / found.delta().std().item()
            made[name] = random_module(kind, shape, 2, 2.0 * scale, seed + number)
    write_modules(LoraFile(made, {}), path)
    return path


def pictures(base: BaseModel) -> np.ndarray:
    return render(base, GuidedUnet(base.unet), SAMPLING, read_prompts(base, PROMPTS), [1, 2]) * 255


def test_the_file_renders_as_its_parents_together(base: BaseModel, tmp_path: Path) -> None:
    one = random_file(base, "loha", 1, tmp_path / "one.safetensors")
    other = random_file(base, "lora", 2000, tmp_path / "other.safetensors")
    output = tmp_path / "blend.safetensors"
    texts = (f"{one}:unet=0.8,te=0.5", f"{other}:unet=-0.6,te=0.9")
    request = BlendRequest(tuple(map(WeightedLora.parse, texts)), output, dtype=torch.float32)
    write_blend(request, Silent())
    plain = pictures(base)
    pristine = {name: module.get_parameter("weight").detach().clone() for name, module in base.modules.items()}
    with torch.no_grad():
        for part in request.parts:
            for name, module in read_lora(part.path).modules.items():
                assert isinstance(module, Additive)
                weight = base.modules[name].get_parameter("weight")
                weight += part.on_module(name) * module.delta().reshape(weight.shape)
        parents = pictures(base)
        for name, weight in pristine.items():
            base.modules[name].get_parameter("weight").copy_(weight)
    patched = PatchedModel(base)
    patched.put_on(blend([(read_lora(output), Weights.of(1, 1))]).modules)
    blended = pictures(base)
    patched.take_off()
    assert np.abs(parents - blended).max() <= 1
    assert np.abs(parents - plain).max() > 20, "the LoRAs must be strong enough to be seen"
