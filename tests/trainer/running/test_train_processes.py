"""Two processes under accelerate learn what one process with an accumulation of 2 learns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from tiny import tiny_base, tiny_data
from trainer.config.config import parse_config
from trainer.running.run import run_training

# accelerate's own `--cpu` launches one process only, unless MPI is there.
LAUNCH = "--multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no"
ROOT = Path(__file__).resolve().parents[3]
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


def test_two_processes_equal_one_with_accumulation(tmp_path: Path) -> None:
    """While the text encoders learn, and where they stop: on gradients of zero their momentum would carry them on."""
    stop = 0.4
    base = tiny_base(tmp_path / "base")
    config = tiny_data(tmp_path) / "run.toml"
    config.write_text(TOML.format(base=base, stop=stop), encoding="utf-8")
    launch = [sys.executable, "-m", "accelerate.commands.launch", *LAUNCH.split(), "-m", "trainer"]
    done = subprocess.run(
        [*launch, "run", str(config), "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["done"] == 6
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


_TOLD = """
import json, os
from trainer.learning.processes import join_processes
processes, _ = join_processes("cpu")
found = processes.told_by_first(lambda: {"rank": processes.rank})
print(json.dumps([processes.rank, found]), flush=True)
processes.wait()
processes.leave()
"""


def test_what_the_first_process_finds_is_what_all_go_on_with(tmp_path: Path) -> None:
    script = tmp_path / "told.py"
    script.write_text(_TOLD, encoding="utf-8")
    launch = [sys.executable, "-m", "accelerate.commands.launch", *LAUNCH.split(), str(script)]
    path = {**os.environ, "PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(launch, cwd=ROOT, env=path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = sorted(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
    assert lines == [[0, {"rank": 0}], [1, {"rank": 0}]]
