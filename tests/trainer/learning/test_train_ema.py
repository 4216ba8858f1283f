"""The exponential mean of the weights: files hold it, the training itself goes on from the last weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from base_models.base_model import load_base
from foundation.progress import Silent
from loras.lora_file import LoraFile, write_lora
from planted_kills import killed_at_rename
from tiny import tiny_base, tiny_data, tiny_settings
from trainer.config.config import TrainConfig, parse_config
from trainer.data.buckets import frames_of
from trainer.data.dataset import read_dataset
from trainer.data.plan import make_plan
from trainer.guarding.guarded_weights import GuardedWeights
from trainer.learning.adapters import snapshot
from trainer.running.run import run_training
from trainer.running.session import prepare

STEPS = 5


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.mktemp("data"))


def _config(data: Path, base: Path, folder: Path, decay: float) -> TrainConfig:
    """One step an epoch, so that a run without a mean leaves the weights of every step in a file."""
    tables = tiny_settings(base)
    tables["training"] |= {"batch_size": 12, "epochs": STEPS, "ema_decay": decay}
    tables["output"] |= {"folder": str(folder), "save_dtype": "float32"}
    return parse_config(dict(tables), data / "run.toml")


def _files(config: TrainConfig) -> list[dict[str, torch.Tensor]]:
    return [load_file(path) for path in sorted(config.output.folder.glob("hina*.safetensors"), key=_epoch)]


def _epoch(path: Path) -> int:
    return int(path.stem.partition("-")[2] or STEPS)


def _at_the_start(config: TrainConfig, base: Path, path: Path) -> dict[str, torch.Tensor]:
    dataset = read_dataset(config.data.train, config.data.reg)
    plan = make_plan(dataset, config.training, frames_of(dataset, config.data))
    session = prepare(config, dataset, plan, load_base(str(base)), Silent())
    write_lora(LoraFile(snapshot(session.adapters), {}), path, torch.float32)
    return load_file(path)


@pytest.fixture(scope="module")
def plain(data: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    config = _config(data, base, tmp_path_factory.mktemp("plain"), 0.0)
    run_training(config)
    return config


@pytest.mark.parametrize("decay", [0.3, 0.9999])
def test_files_hold_the_mean_of_all_steps_so_far(
    data: Path, base: Path, plain: TrainConfig, tmp_path: Path, decay: float
) -> None:
    config = _config(data, base, tmp_path / "out", decay)
    run_training(config)
    weights = [_at_the_start(config, base, tmp_path / "start.safetensors"), *_files(plain)]
    for step, file in enumerate(_files(config), 1):
        # Unrolled: each step's weights count (1 - its decay) times the decays of all steps after it.
        decays = [min(decay, (1 + n) / (10 + n)) for n in range(1, step + 1)]
        shares = [1.0, *(1 - one for one in decays)]
        for at in range(step + 1):
            for later in decays[at:]:
                shares[at] *= later
        assert sum(shares) == pytest.approx(1)
        for name, tensor in file.items():
            if not name.endswith(".alpha"):
                expected = sum(share * one[name].double() for share, one in zip(shares, weights, strict=False))
                torch.testing.assert_close(tensor.double(), expected, rtol=1e-5, atol=1e-7)


def test_the_header_says_so(data: Path, base: Path, plain: TrainConfig, tmp_path: Path) -> None:
    config = _config(data, base, tmp_path, 0.5)
    run_training(config)
    with safe_open(tmp_path / "hina.safetensors", framework="pt") as opened:
        assert opened.metadata()["lora_studio.ema_decay"] == "0.5"
    with safe_open(plain.output.folder / "hina.safetensors", framework="pt") as opened:
        assert "lora_studio.ema_decay" not in opened.metadata()


@pytest.mark.parametrize("at", [4, 8, 11])
def test_a_killed_run_goes_on_with_the_same_mean(
    data: Path, base: Path, tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = (_config(data, base, tmp_path / name, 0.9) for name in ("whole", "killed"))
    run_training(whole)
    with killed_at_rename(monkeypatch, at):
        run_training(killed)
    run_training(killed)
    for ours, theirs in zip(_files(killed), _files(whole), strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_step_that_was_not_allowed_is_no_part_of_the_mean() -> None:
    live = [torch.nn.Parameter(torch.ones(3))]
    weights = GuardedWeights(live, 0.5)
    live[0].data.fill_(3.0)
    weights.average(torch.tensor(False), 100)
    with weights.averaged():
        assert live[0].tolist() == [1, 1, 1]
    weights.average(torch.tensor(True), 100)
    with weights.averaged():
        assert live[0].tolist() == [2, 2, 2]
    assert live[0].tolist() == [3, 3, 3]
