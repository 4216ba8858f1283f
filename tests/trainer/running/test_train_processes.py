"""Two processes under accelerate learn what one process with an accumulation of 2 learns."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tiny import tiny_base, tiny_data
from trainer.config.config import parse_config
from trainer.running.run import run_training
from typed_commands import start_command

# accelerate's own `--cpu` launches one process only, unless MPI is there.
LAUNCH = "--multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no"
TOML = """
preset = "miniature"
[model]
base = "{base}"
device = "cpu"
[data]
train = "Train"
reg = "Reg"
resolution = 32
[lora]
rank = 2
alpha = 1.0
[training]
epochs = 2
batch_size = 2
te_stop_at = {stop}
[output]
folder = "two"
name = "hina"
save_dtype = "float32"
"""


_TOLD = """
import json, os, sys
from pathlib import Path
from trainer.learning.processes import join_processes
processes, _ = join_processes("cpu")
found = processes.told_by_first(lambda: {"rank": processes.rank})
Path(sys.argv[1], f"told-{processes.rank}.json").write_text(json.dumps([found, dict(os.environ)]))
processes.wait()
processes.leave()
"""


@dataclass(frozen=True)
class Launched:
    """What two processes of the launcher's found, and what it had told each in its environment."""

    found: list[dict[str, int]]
    handed: list[dict[str, str]]


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Launched:
    """Started once, and by the launcher itself: it and its two processes load torch anew."""
    place = tmp_path_factory.mktemp("launched")
    (place / "told.py").write_text(_TOLD, encoding="utf-8")
    launch = [sys.executable, "-m", "accelerate.commands.launch", *LAUNCH.split(), "-m", "told", str(place)]
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(place), *sys.path]), "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(launch, env=path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    said = [json.loads((place / f"told-{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]
    handed = [{name: value for name, value in variables.items() if path.get(name) != value} for _, variables in said]
    return Launched([found for found, _ in said], handed)


def test_what_the_first_process_finds_is_what_all_go_on_with(launched: Launched) -> None:
    assert launched.found == [{"rank": 0}, {"rank": 0}]


def test_two_processes_equal_one_with_accumulation(launched: Launched, tmp_path: Path) -> None:
    """While the text encoders learn, and where they stop: on gradients of zero their momentum would carry them on.

    Both are told what the launcher told its processes, but for who keeps the list of them: it had done so itself.
    """
    stop = 0.4
    base = tiny_base(tmp_path / "base")
    config = tiny_data(tmp_path) / "run.toml"
    config.write_text(TOML.format(base=base, stop=stop), encoding="utf-8")
    changed = {"MASTER_PORT": str(_free_port()), "TORCHELASTIC_USE_AGENT_STORE": "False"}
    outs = [(tmp_path / f"{rank}.out", tmp_path / f"{rank}.told") for rank in (0, 1)]
    words = ("trainer", "run", str(config), "--json")
    processes = [
        start_command(*words, environment={**os.environ, **handed, **changed}, out=out, told=told)
        for handed, (out, told) in zip(launched.handed, outs, strict=True)
    ]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0], [told.read_text()[-2000:] for _, told in outs]
    assert json.loads(outs[0][0].read_text())["done"] == 6
    one = {
        "preset": "miniature",
        "model": {"base": str(base), "device": "cpu"},
        "data": {"train": "Train", "reg": "Reg", "resolution": 32},
        "lora": {"rank": 2, "alpha": 1.0},
        "training": {"epochs": 2, "batch_size": 2, "gradient_accumulation": 2, "te_stop_at": stop},
        "output": {"folder": "one", "name": "hina", "save_dtype": "float32"},
    }
    run_training(parse_config(one, config))
    ours, theirs = load_file(tmp_path / "two" / "hina.safetensors"), load_file(tmp_path / "one" / "hina.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], atol=1e-5, rtol=0)
    assert any(tensor.abs().max() > 1e-3 for name, tensor in ours.items() if "lora_up" in name)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
