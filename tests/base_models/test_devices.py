"""Which device a configuration may name, and what is said where it is not here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from base_models.base_model import load_base
from base_models.devices import chosen_device, device_name, devices_here
from eval.request.spec import ModelSection
from foundation.errors import ConfigurationError
from trainer.config.config import parse_config
from trainer.learning.processes import join_processes


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:", "cuda:-1", "0", "cpu:9", "", "cuda:9999"])
def test_what_is_no_device_names_those_that_are(name: str, no_gpu: None) -> None:
    with pytest.raises(ValueError, match=r'is no device; write "auto".*\(here: cpu'):
        device_name(name)
    with pytest.raises(ConfigurationError, match=r'here: "auto", "cpu"'):
        chosen_device(name)
    with pytest.raises(ValueError, match="is no device"):
        ModelSection.model_validate({"base": "miniature", "device": name})


def test_a_gpu_that_is_not_here_is_named_with_what_is(two_gpus: None) -> None:
    assert devices_here()[:3] == ["cpu", "cuda:0", "cuda:1"]
    assert [chosen_device(name) for name in ("auto", "cuda", "cuda:1", "cpu")] == ["cuda", "cuda", "cuda:1", "cpu"]
    with pytest.raises(ConfigurationError, match=r'"cuda:9" is not on this machine; here: .*"cuda:0", "cuda:1"'):
        chosen_device("cuda:9")


def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused_before_anything_loads(no_gpu: None) -> None:
    assert chosen_device("auto") == "cpu"
    with pytest.raises(ConfigurationError, match='"cuda" is not on this machine'):
        load_base("no such base model", device="cuda")


def test_a_training_takes_the_same_names(tmp_path: Path, no_gpu: None) -> None:
    with pytest.raises(ConfigurationError, match=r'model\.device: "gpu" is no device'):
        parse_config({"model": {"base": "miniature", "device": "gpu"}}, tmp_path / "train.toml")


def test_processes_that_share_a_run_take_no_gpu_by_its_number(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigurationError, match='takes a GPU; write "cuda"'):
        join_processes("cuda:1")
