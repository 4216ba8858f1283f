"""A LoRA file: what is written is what is read, and every fault has a message of its own."""

from __future__ import annotations

import hashlib
import os
import pickle
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from base_models.architecture import public_architecture
from foundation.errors import DamagedFileError, LoraFileError, MissingFileError
from foundation.safetensors_header import read_metadata
from loras.lora_file import (
    LoraFile,
    LoraModule,
    Module,
    OpenedLora,
    part_of,
    read_lora,
    write_diffusers,
    write_lora,
    write_modules,
)

NAME = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def tensors(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    whole = {
        f"{NAME}.lora_down.weight": torch.ones(2, 3),
        f"{NAME}.lora_up.weight": torch.ones(4, 2),
        f"{NAME}.alpha": torch.tensor(1.0),
    }
    whole.update({f"{NAME}.{key}": value for key, value in changes.items() if value is not None})
    return {key: value for key, value in whole.items() if changes.get(key.removeprefix(f"{NAME}."), value) is not None}


@settings(max_examples=25)
@given(
    rank=st.integers(1, 6),
    kernel=st.sampled_from([(), (1, 1), (3, 3)]),
    alpha=st.floats(0.0625, 64, allow_nan=False, width=32),
    seed=st.integers(0, 999),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rank: int, kernel: tuple[int, ...], alpha: float, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    up = torch.randn(5, rank, *([1] * len(kernel)), generator=draw)
    module = LoraModule(torch.randn(rank, 3, *kernel, generator=draw), up, alpha)
    path = tmp_path_factory.mktemp("round") / "a.safetensors"
    write_lora(LoraFile({NAME: module}, {"ss_epoch": "3"}), path, torch.float32)
    back = read_lora(path)
    assert torch.equal(back.modules[NAME].down, module.down)
    assert torch.equal(back.modules[NAME].up, module.up)
    assert back.modules[NAME].alpha == alpha
    assert read_metadata(path)["ss_epoch"] == "3"


def test_delta_is_scale_times_up_down() -> None:
    module = LoraModule(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]]), alpha=0.5)
    assert torch.equal(module.delta(), torch.tensor([[1.5, 3.0], [2.0, 4.0]]))


def test_convolutions_multiply_as_kohya_does() -> None:
    """For 3x3 kernels kohya convolves down's kernels with up's 1x1: the sum over ranks at every place."""
    down, up = torch.randn(2, 3, 3, 3), torch.randn(4, 2, 1, 1)
    expected = torch.nn.functional.conv2d(down.permute(1, 0, 2, 3), up).permute(1, 0, 2, 3)
    assert torch.allclose(LoraModule(down, up, 2.0).delta(), expected, atol=1e-6)


def test_no_alpha_means_full_strength(tmp_path: Path) -> None:
    save_file(tensors(alpha=None), tmp_path / "a.safetensors")
    assert read_lora(tmp_path / "a.safetensors").modules[NAME].scale == 1.0


def test_hashes_are_kohyas(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_lora(LoraFile({NAME: LoraModule(torch.ones(2, 3), torch.ones(4, 2), 2.0)}, {}), path)
    raw = path.read_bytes()
    body = raw[8 + int.from_bytes(raw[:8], "little") :]
    assert read_metadata(path)["sshs_model_hash"] == hashlib.sha256(body).hexdigest()


def test_types_are_cast_but_alpha_stays_float32(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_lora(LoraFile({NAME: LoraModule(torch.ones(2, 3), torch.ones(4, 2), 0.7)}, {}), path, torch.float16)
    stored = load_file(path)
    assert stored[f"{NAME}.lora_up.weight"].dtype == torch.float16
    assert stored[f"{NAME}.alpha"].item() == torch.tensor(0.7).item()


def test_a_value_beyond_fp16_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(LoraFileError, match="not finite as"):
        write_lora(LoraFile({NAME: LoraModule(torch.full((2, 3), 1e6), torch.ones(4, 2), 1.0)}, {}), path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora_up.weight": None}, r"lora_up.weight` is missing"),
        ({"lora_down.weight": torch.full((2, 3), float("nan"))}, "NaN or infinity"),
        ({"lora_up.weight": torch.ones(4, 3)}, "do not fit"),
        ({"alpha": torch.tensor(0.0)}, "alpha` is 0"),
        ({"hada_w1_a": torch.ones(2, 2)}, "several kinds at once"),
        ({"lora_sideways.weight": torch.ones(2, 2)}, "unknown key `.*lora_sideways.weight`"),
    ],
)
def test_faults_are_named(tmp_path: Path, changes: dict[str, torch.Tensor | None], message: str) -> None:
    path = tmp_path / "a.safetensors"
    save_file(tensors(**changes), path)
    with pytest.raises(LoraFileError, match=message):
        read_lora(path)


def test_what_is_no_safetensors_is_named(tmp_path: Path) -> None:
    pickled, truncated = tmp_path / "a.pt", tmp_path / "b.safetensors"
    pickled.write_bytes(pickle.dumps({}))
    save_file(tensors(), truncated)
    truncated.write_bytes(truncated.read_bytes()[:-5])
    with pytest.raises(LoraFileError, match="pickles"):
        read_lora(pickled)
    with pytest.raises(LoraFileError, match="not a readable"):
        read_lora(truncated)
    with pytest.raises(MissingFileError, match="no such LoRA"):
        read_lora(tmp_path / "nothing.safetensors")


def test_a_file_that_the_disk_did_not_keep_is_not_put_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bit that flips on its way to the disk; the epoch's earlier file stays."""
    path, fsync = tmp_path / "a.safetensors", os.fsync
    lora = LoraFile({NAME: LoraModule(torch.ones(2, 3), torch.ones(4, 2), 1.0)}, {})
    write_lora(lora, path)
    before = path.read_bytes()

    def damaging(handle: int) -> None:
        for beside in tmp_path.glob(".*"):
            written = bytearray(beside.read_bytes())
            written[-3] ^= 1
            beside.write_bytes(written)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", damaging)
    with pytest.raises(DamagedFileError, match=r"a\.safetensors: the disk gave back other bytes"):
        write_lora(lora, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_reads_as_other_modules_is_not_put_in_place(tmp_path: Path) -> None:
    """A text of width 2048 is SDXL's, so readers take the name for SDXL's too."""
    name = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    lora = LoraFile({name: LoraModule(torch.ones(2, 2048), torch.ones(4, 2), 1.0)}, {})
    for write in (write_lora, write_modules):
        with pytest.raises(DamagedFileError, match=r"a\.safetensors: `lora_unet_.*` is read back otherwise"):
            write(lora, tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_every_writer_compares_the_modules_as_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lora = LoraFile({NAME: LoraModule(torch.ones(2, 3), torch.ones(4, 2), 1.0)}, {})
    read = OpenedLora.module

    def otherwise(opened: OpenedLora, name: str) -> Module:
        found = read(opened, name)
        assert isinstance(found, LoraModule)
        return LoraModule(found.down, found.up, found.alpha * 2)

    monkeypatch.setattr(OpenedLora, "module", otherwise)
    path = tmp_path / "a.safetensors"
    for write in (write_lora, write_modules, partial(write_diffusers, names=public_architecture("sd1"))):
        with pytest.raises(DamagedFileError, match=f"{NAME}` is read back otherwise"):
            write(lora, path)
    assert list(tmp_path.iterdir()) == []


def test_parts_by_prefix() -> None:
    assert [part_of(name) for name in ("lora_unet_x", "lora_te_x", "lora_te1_x", "lora_te2_x")] == [
        "unet",
        "te1",
        "te1",
        "te2",
    ]
