"""diffusers and this reader understand a file alike: every module moves by the same delta, in kohya's and its spelling.

The models have the public ones' blocks and names, and are narrow (SDXL's deepest transformers of 3 layers, not 10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.loaders.lora_base import LoraBaseMixin
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from base_models.architecture import Architecture, architecture
from base_models.families.known import FAMILIES
from foundation.progress import Silent
from loras.blending.blend_files import BlendRequest, write_blend
from loras.blending.weighted_lora import WeightedLora
from loras.lora_file import LoraFile, LoraModule, open_lora, read_lora, write_diffusers

TOLERANCE = 1e-5  # of a delta's norm, in float32
WIDTH = 8  # of the text encoders
TEXT = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2}
NARROW = {
    "sd1": {"block_out_channels": (8, 16, 16, 16), "cross_attention_dim": WIDTH, "attention_head_dim": 2},
    "sdxl": {
        "block_out_channels": (8, 16, 16),
        "cross_attention_dim": 2 * WIDTH,
        "attention_head_dim": 2,
        "transformer_layers_per_block": (1, 2, 3),
        "addition_time_embed_dim": 4,
        "projection_class_embeddings_input_dim": WIDTH + 24,
    },
}


def narrow_unet(family: str) -> UNet2DConditionModel:
    public: dict[str, Any] = FAMILIES[family].unet
    return UNet2DConditionModel.from_config({**public, **NARROW[family], "norm_num_groups": 4})


def text_encoder(number: int) -> nn.Module:
    config = CLIPTextConfig(vocab_size=16, max_position_embeddings=8, projection_dim=WIDTH, **TEXT)
    return CLIPTextModelWithProjection(config) if number else CLIPTextModel(config)


@dataclass(frozen=True)
class Model:
    """Narrow parts of one family, the pipeline made of them, and the names of their modules."""

    pipeline: LoraBaseMixin
    parts: Mapping[str, nn.Module]
    names: Architecture

    def module(self, diffusers: str) -> nn.Module:
        """A module by its path behind `unet.` or `text_encoder.`, wherever this transformers keeps it."""
        part, _, path = diffusers.partition(".")
        model = self.parts[part]
        return model.get_submodule(path if hasattr(model, "text_model") else path.removeprefix("text_model."))

    def adapted(self) -> list[LoraLayer]:
        return [module for part in self.parts.values() for module in part.modules() if isinstance(module, LoraLayer)]


def narrow_model(family: str) -> Model:
    unet, first = narrow_unet(family), text_encoder(0)
    parts: dict[str, nn.Module] = {"unet": unet, "text_encoder": first}
    nothing = dict.fromkeys(("vae", "tokenizer", "scheduler", "feature_extractor"))
    if family == "sdxl":
        parts["text_encoder_2"] = text_encoder(1)
        pipeline = StableDiffusionXLPipeline(**nothing, **parts, tokenizer_2=None, add_watermarker=False)
    else:
        pipeline = StableDiffusionPipeline(**nothing, **parts, safety_checker=None, requires_safety_checker=False)
    return Model(
        pipeline, parts, architecture(FAMILIES[family], unet, [part for name, part in parts.items() if name != "unet"])
    )


def random_lora(model: Model, one_alpha: bool) -> dict[str, LoraModule]:
    """Over every linear layer and convolution; every seventh of another rank.

    `one_alpha`: all alphas are 4, no module's rank. diffusers 0.42 loses a kohya file's differing alphas: it looks them
    up under `attn1.processor.to_q_lora`, where no module is, and takes the most frequent.
    """
    draw = torch.Generator().manual_seed(0)
    made: dict[str, LoraModule] = {}
    for number, (name, place) in enumerate(model.names.by_kohya.items()):
        if isinstance(model.module(place.diffusers), nn.Linear | nn.Conv2d):
            out, *inner = place.shape
            rank = 2 if number % 7 else 3
            up = torch.randn(out, rank, *[1] * (len(inner) - 1), generator=draw)
            alpha = 4.0 if one_alpha or number % 5 else 0.5 + number % 4
            made[name] = LoraModule(torch.randn(rank, *inner, generator=draw), up, alpha)
    return made


def kohya_file(lora: Mapping[str, LoraModule], path: Path) -> Path:
    tensors: dict[str, Tensor] = {}
    for name, module in lora.items():
        tensors[f"{name}.lora_down.weight"] = module.down
        tensors[f"{name}.lora_up.weight"] = module.up
        tensors[f"{name}.alpha"] = torch.tensor(module.alpha)
    save_file(tensors, path)
    return path


def assert_loads_alike(model: Model, path: Path, lora: Mapping[str, LoraModule]) -> None:
    """diffusers' delta of every module is ours of the file, and the one that the file was made of."""
    model.pipeline.load_lora_weights(path.parent, weight_name=path.name, adapter_name="lora")
    read = read_lora(path).modules
    assert set(read) == set(lora)
    wrong = []
    for name, module in lora.items():
        layer = model.module(model.names.by_kohya[name].diffusers)
        if not isinstance(layer, LoraLayer):
            wrong.append((name, "untouched"))
            continue
        theirs = layer.get_delta_weight("lora").detach()
        ours = read[name].delta()
        for delta in (ours, module.delta()):
            if not (delta - theirs).norm() <= TOLERANCE * theirs.norm():
                wrong.append((name, (delta.norm() / theirs.norm()).item()))
    assert wrong == []
    assert len(model.adapted()) == len(lora)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_kohyas_spelling(family: str, tmp_path: Path) -> None:
    model = narrow_model(family)
    lora = random_lora(model, one_alpha=True)
    assert_loads_alike(model, kohya_file(lora, tmp_path / "kohya.safetensors"), lora)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_diffusers_spelling_as_written_here(family: str, tmp_path: Path) -> None:
    model = narrow_model(family)
    lora = random_lora(model, one_alpha=False)
    path = tmp_path / "diffusers.safetensors"
    write_diffusers(LoraFile(lora, {"ss_epoch": "1"}), path, model.names, torch.float32)
    assert_loads_alike(model, path, lora)


def _blended(parent: str, path: Path, names: Architecture | None = None) -> Path:
    """What `eval blend PARENT -o PATH` writes of a file and its weights."""
    write_blend(BlendRequest((WeightedLora.parse(parent),), path, dtype=torch.float32, names=names), Silent())
    return path


BY_BLOCK = "1,1,0.2,0.5,1,1,0.3,1,1,0.9,1,1,1,0.4,1,1,1"


@pytest.mark.parametrize(
    ("family", "said"),
    [("sd1", ""), ("sd1", f":unet=0.8,te=0.5,blocks={BY_BLOCK}"), ("sdxl", ":unet=0.8,te1=0.5,te2=0.7")],
)
def test_one_parent_whose_alphas_differ_is_read_alike_once_it_is_blended(
    family: str, said: str, tmp_path: Path
) -> None:
    """By its own alphas, or by the weights of its blocks: each part of what is written has one."""
    model = narrow_model(family)
    parent = kohya_file(random_lora(model, one_alpha=bool("blocks" in said)), tmp_path / "parent.safetensors")
    path = _blended(f"{parent}{said}", tmp_path / "blend.safetensors")
    weights = WeightedLora.parse(f"{parent}{said}")
    meant = {
        name: LoraModule(module.down, module.up, module.alpha * weights.on_module(name))
        for name, module in read_lora(parent).modules.items()
        if isinstance(module, LoraModule) and weights.on_module(name)
    }
    assert_loads_alike(model, path, meant)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_diffusers_spelling_needs_no_configuration_to_be_as_strong(family: str, tmp_path: Path) -> None:
    """ComfyUI and A1111 do not read it, and take the scale of a module without an alpha for 1."""
    model = narrow_model(family)
    lora = random_lora(model, one_alpha=False)
    parent = kohya_file(lora, tmp_path / "parent.safetensors")
    path = _blended(str(parent), tmp_path / "diffusers.safetensors", model.names)
    assert_loads_alike(model, path, lora)
    bare = tmp_path / "bare.safetensors"
    save_file(load_file(path), bare)
    with open_lora(bare) as opened:
        assert not opened.metadata
    for name, module in read_lora(bare).modules.items():
        torch.testing.assert_close(module.delta(), lora[name].delta())  # pyright: ignore
