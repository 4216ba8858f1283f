"""A run may be killed or stopped at any instant: going on gives the very same tensors as never having been stopped."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import equal

from base_models.base_model import load_base
from foundation.errors import ConfigurationError, RunLogError, StoppedError
from foundation.progress import Silent
from planted_kills import killed_at_rename
from tiny import SIDE, tiny_base, tiny_data, tiny_settings
from trainer.config.config import TrainConfig, parse_config
from trainer.data.dataset import read_dataset
from trainer.data.latents import PictureEncoder
from trainer.data.pictures import cover
from trainer.records.record import RunRecord, read_record, record_path, require_begun, state_path, write_record
from trainer.records.run_log import LoggedStep, RunLog
from trainer.records.state_header import read_header
from trainer.running.run import run_training
from typed_commands import start_command


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


def _config(data: Path, base: Path, folder: str = "out") -> TrainConfig:
    tables = tiny_settings(base)
    tables["training"] |= {"epochs": 3, "te_lr": 5e-3}
    tables["output"] |= {"save_state_every": 2, "folder": folder}
    return parse_config(dict(tables), data / "run.toml")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(data: Path, base: Path) -> TrainConfig:
    config = _config(data, base, "whole")
    run_training(config)
    return config


def _same_files(one: TrainConfig, other: TrainConfig) -> None:
    names = sorted(path.name for path in one.output.folder.glob("*.safetensors"))
    assert len(names) == 3
    assert names == sorted(path.name for path in other.output.folder.glob("*.safetensors"))
    for name in names:
        ours, theirs = one.output.folder / name, other.output.folder / name
        first, second = load_file(ours), load_file(theirs)
        assert first.keys() == second.keys()
        assert all(equal(first[key], second[key]) for key in first)
        assert _hash(ours) == _hash(theirs)


def _hash(path: Path) -> str:
    with safe_open(path, framework="pt") as opened:
        return opened.metadata()["sshs_model_hash"]


def _log(config: TrainConfig) -> str:
    return (config.output.folder / "hina-log.jsonl").read_text()


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15])
def test_a_kill_between_any_two_writes_loses_nothing(
    data: Path, base: Path, whole: TrainConfig, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(data, base, str(tmp_path / "out"))
    with killed_at_rename(monkeypatch, at):
        run_training(config)
    record = run_training(config)
    assert record.seconds is not None
    _same_files(whole, config)
    assert _log(config) == _log(whole)
    assert not state_path(config).exists()


@pytest.mark.parametrize("at", [1, 4, 6])
def test_a_kill_while_latents_are_cached_changes_no_bit_of_them(
    data: Path, base: Path, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Last bits depend on how many a VAE is asked for at once, so it must be as many after a kill as without one."""
    dataset = read_dataset(data / "Train", data / "Reg")
    frames = [cover((SIDE, SIDE), (SIDE, SIDE))] * len(dataset.samples)
    model, asked = load_base(str(base)), []
    encode = model.vae.encode
    monkeypatch.setattr(model.vae, "encode", lambda pixels: asked.append(tuple(pixels.shape)) or encode(pixels))
    whole = PictureEncoder(model, None, Silent()).encode(dataset.samples, frames)
    sizes = set(asked)
    with killed_at_rename(monkeypatch, at):
        PictureEncoder(model, tmp_path / "cache", Silent()).encode(dataset.samples, frames)
    assert len(list((tmp_path / "cache").iterdir())) == at - 1
    for _ in range(2):  # what is left is encoded, then all is read
        again = PictureEncoder(model, tmp_path / "cache", Silent()).encode(dataset.samples, frames)
        assert all(map(equal, whole, again))
    assert set(asked) == sizes


def test_a_real_kill_loses_nothing(data: Path, base: Path, whole: TrainConfig, tmp_path: Path) -> None:
    config = _config(data, base, str(tmp_path / "out"))
    (tmp_path / "run.toml").write_text(_toml(config), encoding="utf-8")
    process = start_command("trainer", "run", str(tmp_path / "run.toml"))
    _wait_for(lambda: state_path(config).is_file() and len(_lines(config)) >= 2, process)
    process.kill()
    process.join()
    run_training(config)
    _same_files(whole, config)


def _lines(config: TrainConfig) -> list[str]:
    path = config.output.folder / "hina-log.jsonl"
    return path.read_text().splitlines() if path.is_file() else []


def _wait_for(happened: Callable[[], bool], process: BaseProcess) -> None:
    while not happened() and process.is_alive():
        time.sleep(0.01)


def _toml(config: TrainConfig) -> str:
    def value(one: object) -> str:
        return f'"{one}"' if isinstance(one, str) else str(one).lower() if isinstance(one, bool) else str(one)

    tables = config.model_dump(mode="json", exclude={"preset"}, exclude_none=True)
    return "\n".join(
        f"[{table}]\n" + "\n".join(f"{key} = {value(one)}" for key, one in values.items())
        for table, values in tables.items()
    )


@pytest.mark.parametrize(
    "line", ["{", '{"step": 1}', "[1]", '{"step": "1", "epoch": 1, "loss": 1, "gradient": 1}', "\0\0", "\udcff"]
)
def test_a_damaged_line_of_the_log_is_named(tmp_path: Path, line: str) -> None:
    log = RunLog(tmp_path / "hina-log.jsonl")
    log.add([LoggedStep(step, 1, 0.1, 0.2, {"unet_lr": 1e-3}) for step in (1, 2)])
    with (tmp_path / "hina-log.jsonl").open("ab") as file:
        file.write(line.encode(errors="surrogateescape"))
    log.back_to(1)  # half a line is what a kill leaves
    assert [one.step for one in log.steps()] == [1]
    with (tmp_path / "hina-log.jsonl").open("ab") as file:
        file.write(line.encode(errors="surrogateescape") + b"\n")
    with pytest.raises(RunLogError, match=r"hina-log\.jsonl: line 2 is not a step"):
        log.back_to(1)


class _Interrupting(Silent):
    """Presses Ctrl-C when the first epoch's line is said."""

    def say(self, line: str) -> None:
        if line.startswith("epoch 1"):
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_saves_and_says_how_to_go_on(data: Path, base: Path, whole: TrainConfig, tmp_path: Path) -> None:
    config = _config(data, base, str(tmp_path / "out"))
    with pytest.raises(StoppedError, match="stopped after step 3 of 9; its state is saved, and the same command"):
        run_training(config, _Interrupting())
    require_begun(config)
    record: RunRecord = run_training(config)
    assert record.done == 9
    _same_files(whole, config)


def test_resuming_what_was_never_begun_is_an_error(data: Path, base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing to resume"):
        require_begun(_config(data, base, str(tmp_path / "never")))


NEWER = ("ema_decay", "lr_cycles", "optimizer_args")


class _Listening(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def _begun_by_an_earlier_version(config: TrainConfig, monkeypatch: pytest.MonkeyPatch, **changed: object) -> None:
    """Killed after two steps, with a state of them; then record and state are made what they once were.

    Their settings lack keys that have defaults, and the state has nothing but the hash of what was written.
    """
    _killed_after_two_steps(config, monkeypatch)
    record = read_record(record_path(config))
    training = {key: one for key, one in record.identity.settings["training"].items() if key not in NEWER}
    settings = {**record.identity.settings, "training": {**training, **changed}}
    del settings["guards"]
    early = record.model_copy(update={"identity": record.identity.model_copy(update={"settings": settings})})
    write_record(early, config)
    with safe_open(state_path(config), framework="pt") as opened:
        header = {**opened.metadata(), "identity": early.identity.sha256()}
    save_file(load_file(state_path(config)), state_path(config), header)


def _killed_after_two_steps(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    with killed_at_rename(monkeypatch, 5):
        run_training(config)
    state = read_header(state_path(config))
    assert state is not None
    assert state.run_state.done == 2


def test_a_run_that_an_earlier_version_began_goes_on(
    data: Path, base: Path, whole: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(data, base, str(tmp_path / "out"))
    _begun_by_an_earlier_version(config, monkeypatch)
    require_begun(config)
    told = _Listening()
    run_training(config, told)
    assert any(line.startswith("going on after step 2 ") for line in told.lines)
    _same_files(whole, config)


def test_steps_of_a_run_with_other_settings_are_never_written_over(
    data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first checkpoint the state is all there is of them; with or without the record beside it."""
    config = _config(data, base, str(tmp_path / "out"))
    _begun_by_an_earlier_version(config, monkeypatch, min_snr_gamma=5.0)
    before = state_path(config).read_bytes()
    differs = r"training\.min_snr_gamma: 5\.0 -> 0\.0\)"
    with pytest.raises(ConfigurationError, match=r"hina\.state: belongs to another run .*\(" + differs):
        run_training(config)
    with pytest.raises(ConfigurationError, match=r"begun with other settings \(" + differs):
        require_begun(config)
    record_path(config).unlink()
    with pytest.raises(ConfigurationError, match=r"hina\.state: belongs to another run .*no record says"):
        run_training(config)
    assert state_path(config).read_bytes() == before


def test_a_state_knows_its_run_without_a_record(
    data: Path, base: Path, whole: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(data, base, str(tmp_path / "out"))
    _killed_after_two_steps(config, monkeypatch)
    record_path(config).unlink()
    other = config.model_copy(update={"training": config.training.model_copy(update={"seed": 7})})
    with pytest.raises(ConfigurationError, match=r"hina\.state: .*training\.seed: 0 -> 7"):
        run_training(other)
    told = _Listening()
    run_training(config, told)
    assert any(line.startswith("going on after step 2 ") for line in told.lines)
    _same_files(whole, config)
