"""Two trainings of one run: the second is refused while the first lives, whatever became of earlier ones."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tiny import tiny_base, tiny_data, tiny_settings
from trainer.config.config import TrainConfig, parse_config
from trainer.records.record import record_path
from trainer.records.run_lock import TrainingBusyError, is_being_trained, run_lock
from trainer.running.run import run_training

HOLDER = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1], fallback_to_soft=False):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return parse_config(tiny_settings(tiny_base(tmp_path / "base")), tiny_data(tmp_path / "data") / "run.toml")


def _holder(config: TrainConfig) -> subprocess.Popen[str]:
    folder = config.output.folder
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / f".{config.output.name}-run.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_training_of_a_run_is_refused_while_the_first_lives(config: TrainConfig) -> None:
    holder = _holder(config)
    try:
        assert is_being_trained(config)
        with pytest.raises(TrainingBusyError, match=f"{config.output.name}: is being trained by another process"):
            run_training(config)
        assert not record_path(config).exists()
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert not is_being_trained(config)
    with run_lock(config):  # what the killed one left does not stand in the way
        assert is_being_trained(config)
    assert not list(config.output.folder.glob(".*"))


def test_the_lock_is_let_go_of_when_training_fails(config: TrainConfig) -> None:
    with pytest.raises(ZeroDivisionError), run_lock(config):
        raise ZeroDivisionError
    assert not is_being_trained(config)


def test_other_processes_of_the_same_run_take_no_lock(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_lock(config):
        monkeypatch.setenv("RANK", "1")
        with run_lock(config):
            monkeypatch.setenv("RANK", "0")
        assert is_being_trained(config)


def test_where_nothing_can_be_written_none_is_held(config: TrainConfig) -> None:
    config.output.folder.parent.mkdir(parents=True, exist_ok=True)
    config.output.folder.write_text("a file where the folder would be")
    with run_lock(config):
        assert not is_being_trained(config)
