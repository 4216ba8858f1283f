"""A base model on its way to the GPU: never larger than it must be, and the same numbers as ever."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from base_models.base_model import load_base, load_to_train
from base_models.base_source import find_base
from tiny import tiny_base, tiny_settings
from trainer.config.config import parse_config
from trainer.running.training import memory_advice


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


def test_only_the_vae_is_on_the_device_while_pictures_are_encoded(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The "meta" device, which no user can name, stands for a GPU."""
    monkeypatch.setattr("base_models.base_model.chosen_device", str)
    model = load_to_train(find_base(str(base)), torch.bfloat16, "meta")
    assert (model.device.type, model.vae.device.type, model.vae.dtype) == ("meta", "meta", torch.float32)
    for part in (model.unet, *model.text_encoders):
        assert (part.device.type, part.dtype) == ("cpu", torch.bfloat16)


def test_what_waits_is_what_a_base_in_float32_would_be_cast_to(base: Path) -> None:
    model, whole = load_to_train(find_base(str(base)), torch.bfloat16, "cpu"), load_base(str(base))
    assert model.sha256 == whole.sha256
    assert model.modules.keys() == whole.modules.keys()
    pairs = [(model.unet, whole.unet), *zip(model.text_encoders, whole.text_encoders, strict=True)]
    for ours, theirs in pairs:
        cast = theirs.state_dict()
        assert all(torch.equal(one, cast[name].to(one.dtype)) for name, one in ours.state_dict().items())
    assert all(torch.equal(one, whole.vae.state_dict()[name]) for name, one in model.vae.state_dict().items())


def test_advice_on_memory_names_nothing_that_is_done_already(base: Path, tmp_path: Path) -> None:
    tables = tiny_settings(base)
    all_of_it = memory_advice(parse_config(dict(tables), tmp_path / "run.toml"))
    done = ("gradient_checkpointing", "bfloat16", "training.batch_size", "te_lr = 0")
    assert all(one in all_of_it for one in done)
    tables["model"] |= {"gradient_checkpointing": True, "dtype": "bfloat16"}
    tables["training"] |= {"batch_size": 1, "te_lr": 0.0}
    left = memory_advice(parse_config(dict(tables), tmp_path / "run.toml"))
    assert not any(one in left for one in done)
    assert "data.resolution" in left
