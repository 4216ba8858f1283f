"""Modules of every kind, as a file holds them: what is written is what is read."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from loras.base_bound_kinds import BiasedModule, DoraModule, NormModule, OftModule
from loras.lora_file import (
    LoraFile,
    LoraModule,
    Module,
    TuckerModule,
    read_lora,
    write_modules,
)
from loras.module_kinds import FullModule, HadamardHalf, KroneckerHalf, LohaModule, LokrModule


def random_modules(draw: torch.Generator) -> dict[str, Module]:
    """One module of each kind, of random numbers, each where such a shape can be."""

    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw)

    def half(core: bool) -> HadamardHalf:
        a, b = (numbers(2, 6), numbers(2, 5)) if core else (numbers(6, 2), numbers(2, 5))
        return HadamardHalf(a, b, numbers(2, 2, 3, 3) if core else None)

    block = "lora_unet_mid_block_attentions_0_transformer_blocks_0"
    resnet = "lora_unet_mid_block_resnets_0"
    return {
        f"{block}_attn1_to_q": LoraModule(numbers(2, 5), numbers(6, 2), 1.5),
        f"{block}_attn1_to_k": LohaModule(half(False), half(False), 3.0),
        f"{block}_attn1_to_v": LokrModule(KroneckerHalf(w=numbers(2, 3)), KroneckerHalf(w=numbers(4, 5)), 1.0),
        f"{block}_attn1_to_out_0": LokrModule(
            KroneckerHalf(w=numbers(2, 3)), KroneckerHalf(a=numbers(4, 2), b=numbers(2, 5)), 0.5
        ),
        f"{block}_attn2_to_q": DoraModule(LoraModule(numbers(2, 5), numbers(6, 2), 2.5), numbers(6, 1)),
        f"{block}_attn2_to_out_0": OftModule(numbers(3, 2, 2), 0.25, numbers(6, 1)),
        f"{block}_ff_net_2": BiasedModule(FullModule(numbers(6, 5)), numbers(6)),
        f"{block}_norm1": NormModule(numbers(6), numbers(6)),
        f"{resnet}_conv1": TuckerModule(numbers(2, 5, 1, 1), numbers(2, 2, 3, 3), numbers(6, 2, 1, 1), 4.0),
        f"{resnet}_conv2": LohaModule(half(True), half(True), 3.0, (3, 3)),
    }


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_every_kind_is_written_and_read_back(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    modules = random_modules(torch.Generator().manual_seed(seed))
    path = tmp_path_factory.mktemp("kinds") / "a.safetensors"
    write_modules(LoraFile(modules, {"ss_epoch": "3"}), path)
    back = read_lora(path)
    assert back.metadata["ss_epoch"] == "3"
    assert set(back.modules) == set(modules)
    for name, module in modules.items():
        read = back.modules[name]
        assert (read.kind, read.stored_alpha) == (module.kind, module.stored_alpha)
        assert read.tensors().keys() == module.tensors().keys()
        assert all(torch.equal(read.tensors()[suffix], tensor) for suffix, tensor in module.tensors().items())
