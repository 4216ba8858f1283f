"""A stranger's file, whatever is in it, ends in a named error or in numbers: sound files, changed at random."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from foundation.errors import LoraFileError
from foundation.progress import Silent
from loras.blending.blend_files import BlendRequest, write_blend
from loras.blending.weighted_lora import WeightedLora
from loras.inspecting.compare_loras import compare_loras
from loras.inspecting.inspect_lora import inspect_lora
from loras.lora_file import read_lora

NAME = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
DIFFUSERS = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"


def sound(down: str = f"{NAME}.lora_down.weight", up: str = f"{NAME}.lora_up.weight") -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {down: torch.randn(2, 16, generator=draw), up: torch.randn(16, 2, generator=draw)}


def peft(config: object, path: Path) -> Path:
    """A file in diffusers' spelling that brings this configuration."""
    said = {"lora_adapter_metadata": config if isinstance(config, str) else json.dumps(config)}
    path.write_bytes(save(sound(f"{DIFFUSERS}.lora_A.weight", f"{DIFFUSERS}.lora_B.weight"), said))
    return path


def with_header(path: Path, **entries: object) -> Path:
    """A sound file whose header has other entries."""
    raw = save(sound())
    size = int.from_bytes(raw[:8], "little")
    text = json.dumps({**json.loads(raw[8 : 8 + size]), **entries}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + size :])
    return path


def test_no_metadata_may_be_said_as_null(tmp_path: Path) -> None:
    path = with_header(tmp_path / "a.safetensors", __metadata__=None)
    assert list(read_lora(path).modules) == [NAME]
    assert inspect_lora(path).verdict.name != "broken"


@pytest.mark.parametrize("config", [[], "x", {"a": None}, {"a": 3}, {"a": {"b": 1}}])
def test_metadata_that_is_no_table_of_texts_is_a_damaged_file(config: object, tmp_path: Path) -> None:
    path = with_header(tmp_path / "a.safetensors", __metadata__=config)
    with pytest.raises(LoraFileError, match=r"a\.safetensors"):
        read_lora(path)
    assert inspect_lora(path).verdict.name == "broken"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"unet.lora_alpha": None}, "an alpha that is no number"),
        ({"unet.lora_alpha": "two"}, "an alpha that is no number"),
        ({"unet.lora_alpha": 2, "unet.alpha_pattern": {"to_q": []}}, "an alpha that is no number"),
        ({"unet.lora_alpha": 2, "unet.alpha_pattern": {"to_(q": 1}}, "a pattern for alphas that is not understood"),
        ({"unet.lora_alpha": 2, "unet.alpha_pattern": {"(([a-z]+)*)+!": 1}}, "a pattern for alphas"),
        ({"unet.lora_alpha": 2, "unet.alpha_pattern": {"a" * 501: 1}}, "a pattern for alphas"),
        ("[" * 3000, "adapter's configuration"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_named_at_once(config: object, message: str, tmp_path: Path) -> None:
    path = peft(config, tmp_path / "a.safetensors")
    began = time.monotonic()
    with pytest.raises(LoraFileError, match=message) as caught:
        read_lora(path)
    assert str(path) in str(caught.value)
    assert time.monotonic() - began < 30, "an expression of a stranger's ran away"


def test_patterns_of_alphas_are_honoured(tmp_path: Path) -> None:
    config = {"unet.lora_alpha": 2, "unet.alpha_pattern": {"down_blocks.*attn1.to_(q|k)": 5, "to_q": 7}}
    assert read_lora(peft(config, tmp_path / "a.safetensors")).modules[NAME].stored_alpha == 5


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({f"{NAME}.lora_down.weight": torch.ones(16)}, "do not fit"),
        ({f"{NAME}.lora_down.weight": torch.empty(0, 16)}, r"is empty \(\(0, 16\)\)"),
        ({f"{NAME}.lora_down.weight": torch.empty(2, 0)}, "is empty"),
        ({f"{NAME}.alpha": torch.empty(0)}, "is empty"),
        ({f"{NAME}.lora_down.weight": torch.full((2, 16), 1e30)}, r"holds a number beyond 1e\+12"),
        ({f"{NAME}.alpha": torch.tensor(1e38)}, r"holds a number beyond 1e\+12"),
    ],
)
def test_tensors_that_make_no_sense_are_named_wherever_the_file_goes(
    tensors: dict[str, Tensor], message: str, tmp_path: Path
) -> None:
    path, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    path.write_bytes(save(sound() | tensors))
    other.write_bytes(save(sound()))
    request = BlendRequest((WeightedLora(path), WeightedLora(other)), tmp_path / "out.safetensors")
    for use in (
        lambda: read_lora(path),
        lambda: compare_loras(path, other),
        lambda: write_blend(request, Silent()),
    ):
        with pytest.raises(LoraFileError, match=message) as caught:
            use()
        assert str(path) in str(caught.value)
    assert inspect_lora(path).verdict.name in ("broken", "exploded")
    assert not request.output.exists()


def test_scalars_are_named_in_diffusers_spelling_too(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tensors = sound(f"{DIFFUSERS}.lora_A.weight", f"{DIFFUSERS}.lora_B.weight")
    path.write_bytes(save(tensors | {f"{DIFFUSERS}.lora_A.weight": torch.tensor(1.0)}))
    with pytest.raises(LoraFileError, match="do not fit"):
        read_lora(path)


def test_one_key_twice_among_many_is_found_at_once(tmp_path: Path) -> None:
    """Twenty thousand keys: a count for each would take a minute."""
    entry = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    keys = ",".join(f'"k{at}":{entry}' for at in [*range(20_000), 7])
    text = f"{{{keys}}}".encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    began = time.process_time()
    with pytest.raises(LoraFileError, match=r"`k7` stands twice|duplicate|not a readable"):
        read_lora(path)
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    ("count", "shape", "message"),
    [
        (150_000, "[0,0]", "150000 tensors; no model has more"),
        (60_000, "[1,1]", "60000 tensors, and no LoRA has more"),
        (16_000, "[0,0]", r"is empty \(\(0, 0\)\)"),
    ],
)
def test_a_header_of_very_many_tensors_is_named_before_names_are_understood(
    tmp_path: Path, count: int, shape: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = 0 if shape == "[0,0]" else 2
    entries = ",".join(
        f'"lora_unet_{at // 2}.lora_{("down", "up")[at % 2]}.weight":{{"dtype":"F16","shape":{shape},'
        f'"data_offsets":[{at * length},{(at + 1) * length}]}}'
        for at in range(count)
    )
    text = f"{{{entries}}}".encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(count * length))
    monkeypatch.setattr("loras.lora_file.spelling_of", None)
    with pytest.raises(LoraFileError, match=message):
        read_lora(path)


def test_a_file_of_a_name_that_is_no_text_is_to_be_renamed_and_is_not_broken(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"good\xff.safetensors")
    path.write_bytes(save(sound()))
    with pytest.raises(LoraFileError, match="not UTF-8 text; rename it"):
        read_lora(path)
    verdict = inspect_lora(path).verdict
    assert (verdict.name, verdict.reason) == (
        "not understood",
        "its name or a folder's is not UTF-8 text; rename it, then it can be read",
    )
