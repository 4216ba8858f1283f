"""diffusers' own loader puts each spelling on its tiny random transformer: every module moves as our reading says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders import lora_pipeline
from diffusers.models.condition_embedders import AnimaTextConditioner
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from torch import Tensor, nn

from loras.families.family import ReadableFamily
from loras.families.known import READABLE
from loras.lora_file import read_lora
from loras.module_kinds import Additive
from planted_families import PEFT
from planted_kinds import KOHYA
from tiny_transformers import tiny, weights

Tensors = dict[str, Tensor]
LOADERS: dict[str, Any] = {
    "flux1": lora_pipeline.FluxLoraLoaderMixin,
    "flux2": lora_pipeline.Flux2LoraLoaderMixin,
    "z_image": lora_pipeline.ZImageLoraLoaderMixin,
    "krea2": lora_pipeline.Krea2LoraLoaderMixin,
    "qwen_image": lora_pipeline.QwenImageLoraLoaderMixin,
    "chroma": lora_pipeline.FluxLoraLoaderMixin,
    "sd3": lora_pipeline.SD3LoraLoaderMixin,
    "anima": lora_pipeline.AnimaLoraLoaderMixin,
    "lumina2": lora_pipeline.Lumina2LoraLoaderMixin,
}
# Besides its own spelling, what diffusers reads of each. Of FLUX.1's kohya files it takes the public width for granted.
SPELLINGS = {
    "flux1": ("kohya",),
    "flux2": ("kohya", "ai-toolkit"),
    "z_image": ("kohya", "ai-toolkit", "ComfyUI's saver"),
    "krea2": ("ai-toolkit", "ai-toolkit's PEFT"),
    "qwen_image": ("kohya", "ai-toolkit", "ComfyUI's saver"),
    "anima": ("ai-toolkit",),
}
CASES = [(key, spelling) for key in LOADERS for spelling in ("diffusers", "PEFT's alphas", *SPELLINGS.get(key, ()))]
# It gives these no folder (`x_embedder` for `transformer.x_embedder`), and then loads none of them.
FIRST_AND_LAST = ("img_in", "txt_in", "time_in", "vector_in", "guidance_in", "final_layer")
# What diffusers' converters of LoRA files do not know, or (FLUX.2's last modulation) forget to swap as its converter of
# single files does: left out of the comparison, and said in docs/formats.md.
UNKNOWN_TO_DIFFUSERS = {
    ("flux1", "kohya"): ("linear1", "norm", *FIRST_AND_LAST),
    ("flux2", "kohya"): ("guidance_in", "modulation"),
    ("flux2", "ai-toolkit"): ("final_layer_adaLN",),
}


def _linears(family: ReadableFamily, model: nn.Module) -> Iterable[tuple[str, int, int]]:
    """By our name, outputs and inputs of every linear layer."""
    for path, shape in weights(model).items():
        if len(shape) == 2 and isinstance(model.get_submodule(path), nn.Linear):
            name = family.to_kohya(f"transformer.{path}")
            assert name is not None
            yield name, shape[0], shape[1]


def _wholes(family: ReadableFamily, model: nn.Module) -> dict[str, tuple[int, int]]:
    """The same, projections that the original fuses as one."""
    found: dict[str, tuple[int, int]] = {}
    for name, outputs, inputs in _linears(family, model):
        whole = family.whole(name) or name
        found[whole] = found.get(whole, (0, 0))[0] + outputs, inputs
    return found


def _file(key: str, spelling: str, model: nn.Module) -> tuple[Tensors, dict[str, str]]:
    family, draw = READABLE[key], torch.Generator().manual_seed(1)
    fused = spelling in ("kohya", "ai-toolkit", "ai-toolkit's PEFT") and key not in ("z_image", "qwen_image")
    modules = _wholes(family, model) if fused else {name: (o, i) for name, o, i in _linears(family, model)}
    left_out = UNKNOWN_TO_DIFFUSERS.get((key, spelling), ())
    tensors: Tensors = {}
    for at, (name, (outputs, inputs)) in enumerate(modules.items()):
        if any(word in name for word in left_out):
            continue
        stem = _stem(family, spelling, name)
        ends = KOHYA if spelling in ("kohya", "ComfyUI's saver") else PEFT
        tensors[f"{stem}.{ends[0]}"] = torch.randn(3, inputs, generator=draw)
        tensors[f"{stem}.{ends[1]}"] = torch.randn(outputs, 3, generator=draw)
        if spelling == "kohya":
            tensors[f"{stem}.alpha"] = torch.tensor(1.0 + at % 3)
    alphas = '{"transformer.r": 3, "transformer.lora_alpha": 6, "transformer.target_modules": ["to_q"]}'
    return tensors, {"lora_adapter_metadata": alphas} if spelling == "PEFT's alphas" else {}


def _stem(family: ReadableFamily, spelling: str, name: str) -> str:
    if spelling == "kohya":
        return name
    if spelling in ("diffusers", "PEFT's alphas"):
        return family.to_diffusers(name)[0].path
    if family.key in ("z_image", "qwen_image"):
        return f"diffusion_model.{family.to_diffusers(name)[0].path.removeprefix('transformer.')}"
    original = family.to_original(name).path
    return original.replace("diffusion_model.", "base_model.model.") if "PEFT" in spelling else original


def _as_diffusers(path: Path, family: ReadableFamily) -> Tensors:
    """Our reading: by diffusers' module, what its weight moves by."""
    found: Tensors = {}
    for name, module in read_lora(path).modules.items():
        assert isinstance(module, Additive)
        delta = module.delta()
        for place in family.to_diffusers(name):
            share = delta[place.share.rows(len(delta))]
            swapped = place.swapped and len(share) == 2 * share.shape[1]
            assert place.path not in found
            found[place.path] = share.roll(len(share) // 2, 0) if swapped else share
    return found


@pytest.mark.parametrize(("key", "spelling"), CASES, ids=[f"{key}, {spelling}" for key, spelling in CASES])
def test_every_module_moves_as_diffusers_moves_it(key: str, spelling: str, tmp_path: Path) -> None:
    family, model, loader = READABLE[key], tiny(key), LOADERS[key]
    tensors, metadata = _file(key, spelling, model)
    path = tmp_path / "a.safetensors"
    save_file(tensors, path, metadata)
    read: Any = loader.lora_state_dict(str(path), return_lora_metadata=True)
    alphas = {"network_alphas": None} if loader is lora_pipeline.FluxLoraLoaderMixin else {}
    loader.load_lora_into_transformer(read[0], transformer=model, adapter_name="it", metadata=read[-1], **alphas)
    theirs = {
        f"transformer.{name}": layer.get_delta_weight("it")
        for name, layer in model.named_modules()
        if isinstance(layer, LoraLayer)
    }
    ours = _as_diffusers(path, family)
    assert ours.keys() == theirs.keys()
    for name, delta in theirs.items():
        torch.testing.assert_close(ours[name], delta, rtol=1e-5, atol=1e-5)


def test_animas_adapter_has_diffusers_names() -> None:
    conditioner = AnimaTextConditioner(
        source_dim=16, target_dim=16, model_dim=16, num_layers=2, num_attention_heads=2, target_vocab_size=8
    )
    family = READABLE["anima"]
    for path in weights(conditioner):
        name = family.to_kohya(f"text_conditioner.{path}")
        assert name is not None, path
        assert name.startswith("lora_unet_llm_adapter_")
        assert [place.path for place in family.to_diffusers(name)] == [f"text_conditioner.{path}"]
        assert family.to_original(name).path == f"diffusion_model.llm_adapter.{path}"
