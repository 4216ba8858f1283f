"""One LoRA in every spelling reads to the same modules, and what is written is what is read."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from base_models.architecture import public_architecture
from foundation.errors import LoraFileError
from foundation.safetensors_header import opened_safetensors, read_header
from loras import lora_file
from loras.lora_file import (
    LoraFile,
    LoraModule,
    open_lora,
    read_lora,
    write_diffusers,
    write_lora,
)
from spelt_loras import MODELS, SD1, SPELLERS, assert_reads_as, kohya, random_lora


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("number", range(len(SPELLERS)))
def test_every_spelling_reads_the_same(model: str, number: int, tmp_path: Path) -> None:
    speller, says_alphas, has_words = SPELLERS[number]
    lora = random_lora([place for place in MODELS[model] if has_words(place)])
    path = tmp_path / "a.safetensors"
    save_file(speller(lora), path)
    assert_reads_as(path, lora, says_alphas)


def test_sd2s_text_encoder_of_comfyui(tmp_path: Path) -> None:
    stem = "text_encoders.clip_h.transformer.text_model.encoder.layers.22.mlp.fc1"
    path = tmp_path / "a.safetensors"
    save_file({f"{stem}.lora_down.weight": torch.ones(2, 3), f"{stem}.lora_up.weight": torch.ones(4, 2)}, path)
    assert list(read_lora(path).modules) == ["lora_te_text_model_encoder_layers_22_mlp_fc1"]


@pytest.mark.parametrize(
    ("width", "name"),
    [
        (768, "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"),
        (1024, "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"),
        (2048, "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"),
    ],
)
def test_the_width_of_the_text_tells_sdxl(width: int, name: str, tmp_path: Path) -> None:
    stem = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    path = tmp_path / "a.safetensors"
    save_file({f"{stem}.lora_A.weight": torch.ones(2, width), f"{stem}.lora_B.weight": torch.ones(4, 2)}, path)
    assert list(read_lora(path).modules) == [name]


def test_a_file_of_sdxls_first_text_encoder_alone_stays_one(tmp_path: Path) -> None:
    name = "lora_te1_text_model_encoder_layers_0_mlp_fc1"
    path = tmp_path / "a.safetensors"
    save_file({f"{name}.lora_down.weight": torch.ones(2, 3), f"{name}.lora_up.weight": torch.ones(4, 2)}, path)
    assert list(read_lora(path).modules) == [name]


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), model=st.sampled_from(sorted(MODELS)))
def test_kohya_to_diffusers_and_back(tmp_path_factory: pytest.TempPathFactory, seed: int, model: str) -> None:
    lora = random_lora(MODELS[model], seed)
    folder = tmp_path_factory.mktemp("there and back")
    names = public_architecture(model)
    plain = LoraFile({place.kohya: module for place, module in lora.items()}, {"ss_epoch": "3"})
    write_diffusers(plain, folder / "there.safetensors", names, torch.float32)
    folded = {place: module.with_alpha(float(module.rank)) for place, module in lora.items()}
    assert_reads_as(folder / "there.safetensors", folded, says_alphas=True)
    assert_reads_as(folder / "there.safetensors", folded, says_alphas=False)
    stems = {key.rpartition(".lora_")[0] for key in read_header(folder / "there.safetensors").shapes}
    assert stems == {place.diffusers for place in lora}
    there = read_lora(folder / "there.safetensors")
    write_lora(LoraFile({n: m for n, m in there.modules.items() if isinstance(m, LoraModule)}, {}), folder / "back.st")
    assert set(read_lora(folder / "back.st").modules) == set(plain.modules)


def test_a_module_that_the_model_lacks_is_not_written_for_diffusers(tmp_path: Path) -> None:
    lora = LoraFile({"lora_unet_x": LoraModule(torch.ones(1, 2), torch.ones(3, 1), 1.0)}, {})
    with pytest.raises(LoraFileError, match="`lora_unet_x`: no such module"):
        write_diffusers(lora, tmp_path / "a.safetensors", public_architecture("sd1"))
    assert not list(tmp_path.iterdir())


def test_one_module_is_read_without_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, asked = tmp_path / "a.safetensors", list[str]()
    save_file(kohya(random_lora(SD1)), path)

    @dataclass(frozen=True)
    class Counting:
        inner: object

        def get_tensor(self, key: str) -> Tensor:
            asked.append(key)
            return self.inner.get_tensor(key)

    @contextmanager
    def counted(path: Path) -> Generator[Counting]:
        with opened_safetensors(path) as opened:
            yield Counting(opened)

    monkeypatch.setattr(lora_file, "opened_safetensors", counted)
    with open_lora(path) as opened:
        assert opened.names == sorted(place.kohya for place in SD1)
        assert asked == []
        opened.module(SD1[0].kohya)
    assert {key.partition(".")[0] for key in asked} == {SD1[0].kohya}
    assert len(asked) == 3
