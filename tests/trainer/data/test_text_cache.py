"""Captions' conditioning on the disk: the same to the bit, and never that of other tokens, encoders or layers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from base_models.base_model import BaseModel, load_base
from base_models.prompts.conditioning import Conditioning, encode_tokens
from tiny import tiny_base, tiny_data, tiny_settings
from trainer.config.config import TrainConfig, parse_config
from trainer.data import training_inputs
from trainer.data.training_inputs import CaptionReader
from trainer.running.run import run_training

CAPTIONS = ["photo of ohwx person", "a person", "photo of ohwx person"]


@pytest.fixture
def base(tmp_path: Path) -> BaseModel:
    return load_base(str(tiny_base(tmp_path / "base")))


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many captions were encoded, call by call."""
    calls: list[int] = []

    def counted(model: BaseModel, tokens: list[torch.Tensor], clip_skip: int) -> Conditioning:
        calls.append(len(tokens[0]))
        return encode_tokens(model, tokens, clip_skip)

    monkeypatch.setattr(training_inputs, "encode_tokens", counted)
    return calls


def test_what_is_there_is_not_encoded_again(base: BaseModel, tmp_path: Path, encoded: list[int]) -> None:
    first = CaptionReader(base, 1, frozen=True, cache=tmp_path / "cache").read(CAPTIONS)
    assert encoded == [1, 1]
    again = CaptionReader(base, 1, frozen=True, cache=tmp_path / "cache").read(CAPTIONS)
    assert encoded == [1, 1]
    assert torch.equal(first.text, again.text)
    assert torch.equal(first.text, CaptionReader(base, 1, frozen=True).read(CAPTIONS).text)


def test_another_layer_or_encoder_or_a_damaged_file_is_encoded(
    base: BaseModel, tmp_path: Path, encoded: list[int]
) -> None:
    cache = tmp_path / "cache"
    CaptionReader(base, 1, frozen=True, cache=cache).read(CAPTIONS[:1])
    (kept,) = cache.iterdir()
    CaptionReader(base, 2, frozen=True, cache=cache).read(CAPTIONS[:1])
    assert len(encoded) == 2
    kept.write_bytes(b"damaged")
    CaptionReader(base, 1, frozen=True, cache=cache).read(CAPTIONS[:1])
    assert len(encoded) == 3
    next(base.text_encoders[0].parameters()).data += 1
    CaptionReader(base, 1, frozen=True, cache=cache).read(CAPTIONS[:1])
    assert len(encoded) == 4


def test_encoders_that_learn_are_never_cached(base: BaseModel, tmp_path: Path) -> None:
    CaptionReader(base, 1, frozen=False, cache=tmp_path / "cache").read(CAPTIONS)
    assert not (tmp_path / "cache").exists()


def _config(folder: Path, base: Path, output: str, **data: object) -> TrainConfig:
    tables = tiny_settings(base)
    tables["training"] |= {"te_lr": 0, "epochs": 1}
    tables["data"] |= data
    tables["output"] |= {"folder": output}
    return parse_config(dict(tables), folder / "run.toml")


def test_a_run_from_the_cache_ends_with_the_same_tensors(base: BaseModel, tmp_path: Path, encoded: list[int]) -> None:
    folder = tiny_data(tmp_path)
    run_training(_config(folder, tmp_path / "base", "plain"))
    run_training(_config(folder, tmp_path / "base", "first", cache="cache"))
    made = len(encoded)
    run_training(_config(folder, tmp_path / "base", "again", cache="cache"))
    assert len(encoded) == made
    plain, first, again = (_tensors_hash(folder / name / "hina.safetensors") for name in ("plain", "first", "again"))
    assert plain == first == again


def _tensors_hash(path: Path) -> str:
    with safe_open(path, framework="pt") as opened:
        return opened.metadata()["sshs_model_hash"]


def test_captions_that_vary_are_not_kept(base: BaseModel, tmp_path: Path) -> None:
    run_training(_config(tiny_data(tmp_path), tmp_path / "base", "out", cache="cache", shuffle_caption=True))
    assert len(list((tmp_path / "cache").iterdir())) == 7  # a latent a picture
