"""PEFT keeps a LoRA's scales outside its tensors: in the header's configuration, or in a file beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import save_file

from foundation.errors import LoraFileError
from loras.lora_file import LoraModule, read_lora
from spelt_loras import MODELS, SD1, ModuleNames, assert_reads_as, bare, peft, peft_base_model, random_lora


def configurations(lora: dict[ModuleNames, LoraModule], prefixed: bool) -> dict[str, object]:
    """PEFT's configuration of each part, its alphas by the end of the path."""
    flat: dict[str, object] = {}
    for place, module in lora.items():
        part, _, path = place.diffusers.partition(".")
        start = f"{part}." if prefixed else ""
        flat.setdefault(f"{start}lora_alpha", 77)
        flat.setdefault(f"{start}alpha_pattern", {})
        pattern = flat[f"{start}alpha_pattern"]
        assert isinstance(pattern, dict)
        pattern[path.removeprefix("text_model.")] = module.alpha
    return flat


@pytest.mark.parametrize("model", MODELS)
def test_alphas_of_diffusers_metadata(model: str, tmp_path: Path) -> None:
    lora = random_lora(MODELS[model])
    path = tmp_path / "a.safetensors"
    save_file(peft(lora), path, {"lora_adapter_metadata": json.dumps(configurations(lora, True))})
    assert_reads_as(path, lora, says_alphas=True)


def test_alphas_of_a_single_models_metadata(tmp_path: Path) -> None:
    """A UNet's own `save_lora_adapter` has no prefixes, in keys or configuration."""
    lora = random_lora([place for place in SD1 if place.is_unet])
    path = tmp_path / "a.safetensors"
    save_file(bare(peft)(lora), path, {"lora_adapter_metadata": json.dumps(configurations(lora, False))})
    assert_reads_as(path, lora, says_alphas=True)


def test_alphas_of_an_adapters_folder(tmp_path: Path) -> None:
    lora = random_lora([place for place in SD1 if place.is_unet])
    save_file(peft_base_model(lora), tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(configurations(lora, False)))
    assert_reads_as(tmp_path / "adapter_model.safetensors", lora, says_alphas=True)


def test_another_peft_method_is_refused(tmp_path: Path) -> None:
    lora = random_lora([place for place in SD1 if place.is_unet])
    save_file(peft_base_model(lora), tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LOHA", "alpha": 8}))
    with pytest.raises(LoraFileError, match="type LOHA"):
        read_lora(tmp_path / "adapter_model.safetensors")
