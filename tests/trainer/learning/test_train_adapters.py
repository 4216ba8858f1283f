"""Adapters: kohya's modules under kohya's names, and the tensors saved are the tensors trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from base_models.base_model import BaseModel, kohya_modules, load_base
from base_models.families.sd1 import SD1
from tiny import tiny_base
from trainer.config.config import LoraSection
from trainer.learning.adapters import Adapters, attach, parameters_of, snapshot, text_encoder_targets, unet_targets

LORA = LoraSection(rank=4, alpha=2.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def base(folder: Path) -> BaseModel:
    return load_base(str(folder))


def _attach_both(base: BaseModel) -> Adapters:
    unet = attach(base.unet, base.modules, unet_targets(base.unet), LORA, seed=0)
    text = base.text_encoders[0]
    return {**unet, **attach(text, base.modules, text_encoder_targets(text), LORA, seed=0)}


def test_sd1_has_192_modules_in_the_unet_and_72_in_the_text_encoder() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768)
        words = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
        text = CLIPTextModel(words)
    assert len(unet_targets(unet)) == 192
    assert len(text_encoder_targets(text)) == 72


def test_names_are_kohyas(base: BaseModel) -> None:
    """An independent count: every weight of a transformer block but its norms', and of each text layer likewise."""
    unet = {
        "lora_unet_" + key.removesuffix(".weight").replace(".", "_")
        for key in base.unet.state_dict()
        if ".attentions." in key and key.endswith(".weight") and "norm" not in key
    }
    text = {
        f"lora_te_text_model_encoder_layers_{layer}_{part}"
        for layer in range(2)
        for part in (*(f"self_attn_{one}_proj" for one in ("q", "k", "v", "out")), "mlp_fc1", "mlp_fc2")
    }
    adapters = _attach_both(base)
    assert set(adapters) == unet | text
    assert "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0" in adapters


def test_a_text_encoder_that_keeps_text_model_has_the_same_names(base: BaseModel) -> None:
    sizes = CLIPTextConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    names = []
    for kind in (CLIPTextModel, CLIPTextModelWithProjection):
        with torch.device("meta"):
            model = kind(sizes)
        modules = {id(module): name for name, module in kohya_modules(SD1, base.unet, [model]).items()}
        names.append({modules[id(model.get_submodule(path))] for path in text_encoder_targets(model)})
    assert names[0] == names[1]


def test_only_the_adapters_learn_and_they_start_as_nothing(base: BaseModel) -> None:
    before = _answer(base)
    adapters = _attach_both(base)
    learning = [one for part in (base.unet, base.text_encoders[0]) for one in part.parameters() if one.requires_grad]
    assert {id(one) for one in learning} == {id(one) for one in parameters_of(adapters)}
    torch.testing.assert_close(_answer(base), before)


def test_the_modules_saved_move_the_weights_as_the_adapters_do(base: BaseModel, folder: Path) -> None:
    adapters = _attach_both(base)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in parameters_of(adapters):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    merged = load_base(str(folder))
    for name, module in snapshot(adapters).items():
        weight = merged.modules[name].get_parameter("weight")
        weight.data += module.delta().reshape(weight.shape)
    torch.testing.assert_close(_answer(base), _answer(merged), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(_answer(base), _answer(load_base(str(folder))), atol=1e-2)


def test_the_same_seed_starts_the_same(base: BaseModel, folder: Path) -> None:
    torch.manual_seed(1)
    first = _attach_both(base)
    torch.manual_seed(2)
    second = _attach_both(load_base(str(folder)))
    assert all(torch.equal(first[name].down, second[name].down) for name in first)


def _answer(base: BaseModel) -> torch.Tensor:
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        words = base.text_encoders[0](torch.arange(10).repeat(2, 1)).last_hidden_state
        return base.unet(latents, torch.tensor([1, 900]), words).sample
