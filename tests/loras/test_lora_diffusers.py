"""diffusers and this reader understand a file alike: every module moves by the same delta, in kohya's and its spelling.

The models have the public ones' blocks and names, and are narrow (SDXL's deepest transformers of 3 layers, not 10).
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from base_models.architecture import Architecture
from foundation.progress import Silent
from loras.blending.blend_files import BlendRequest, write_blend
from loras.blending.weighted_lora import WeightedLora
from loras.lora_file import LoraFile, LoraModule, open_lora, read_lora, write_diffusers
from narrow_models import assert_loads_alike, kohya_file, narrow_model, random_lora


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
