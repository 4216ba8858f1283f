"""Weights are put on from a pristine copy and come off bit for bit; a LoRA of another model is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loras import random_kohya_file
from tiny import tiny_base

from eval.patching import PatchedModel, check_fits
from trainer.base_model import BaseModel, load_base
from trainer.errors import LoraFileError
from trainer.lora_file import LoraFile, LoraModule, read_lora


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    return load_base(str(tiny_base(tmp_path_factory.mktemp("base"))))


def bits(base: BaseModel) -> dict[str, torch.Tensor]:
    return {name: module.get_parameter("weight").detach().clone() for name, module in base.modules.items()}


@settings(max_examples=15, deadline=None)
@given(order=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_any_walk_over_loras_ends_where_it_began(
    base: BaseModel, order: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("walk")
    loras = [read_lora(random_kohya_file(folder / f"{at}.safetensors", base.modules, at)) for at in range(4)]
    before, patched = bits(base), PatchedModel(base)
    for at in order:
        patched.put_on(loras[at].modules)
    last = bits(base)
    patched.take_off()
    assert all(torch.equal(before[name], weight) for name, weight in bits(base).items())
    patched.put_on(loras[order[-1]].modules)
    assert all(torch.equal(last[name], weight) for name, weight in bits(base).items())
    patched.take_off()


def test_the_weight_moves_by_the_delta(base: BaseModel, tmp_path: Path) -> None:
    lora = read_lora(random_kohya_file(tmp_path / "a.safetensors", base.modules, 1))
    before, patched = bits(base), PatchedModel(base)
    patched.put_on(lora.modules)
    for name, weight in bits(base).items():
        moved = lora.modules[name].delta().reshape(weight.shape) if name in lora.modules else torch.zeros(())
        assert torch.allclose(weight, before[name] + moved, atol=1e-7)
    patched.take_off()


@pytest.mark.parametrize(
    ("name", "module", "message"),
    [
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", LoraModule(torch.ones(1, 4), torch.ones(4, 1), 1.0), "SDXL"),
        (
            "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k",
            LoraModule(torch.ones(1, 768), torch.ones(32, 1), 1.0),
            "this LoRA is for SD1.x",
        ),
    ],
)
def test_another_family_is_refused(base: BaseModel, name: str, module: LoraModule, message: str) -> None:
    with pytest.raises(LoraFileError, match=message):
        check_fits(LoraFile({name: module}, {}), Path("a.safetensors"), base)
