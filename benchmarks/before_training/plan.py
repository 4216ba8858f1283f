"""`trainer plan` against what the trainer then does: counts on random configurations, time and memory on the miniature.

1. Counts: configurations drawn by hypothesis (folders, repeats, sizes, reg pictures, batch, accumulation, epochs,
   buckets, held-out share), each really trained on a tiny random model. Right is: steps of each epoch, every batch's
   size and number of pictures, how often each picture is learned from, and the files that are there afterwards.
2. Time and memory: configurations of the miniature, each foretold in one process and run in another. Time is of the
   whole process, from its start to its last file. `--clock processor` compares processor seconds, which hardly depend
   on what else the machine is doing; `--clock wall` is what a user sees, on a machine that is quiet meanwhile. Memory
   is the highest resident size of the process (VmHWM), whole, and over what the libraries take before a run begins.

Finished pieces are kept in a JSON lines file. The last line is one JSON object. Errors are shares of what was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from foundation.command_line import quieten

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from this_machine.words import machine_in_words

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
ROOT = Path(__file__).resolve().parents[2]
Tables = dict[str, dict[str, object]]
CONFIGURATIONS, RUNS = 200, 10
TIME_BAR, MEMORY_BAR = 0.25, 0.15


def counted(configurations: int) -> dict[str, int]:
    """Plan and train random configurations; how many were foretold exactly."""
    sys.path.insert(0, str(ROOT / "tests" / "fixtures"))
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    from tiny import tiny_base

    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        base = tiny_base(Path(name) / "base")

        @settings(
            max_examples=configurations,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.randoms(use_true_random=False))
        def each(draw: Random) -> None:
            folder = Path(tempfile.mkdtemp(dir=name))
            faults = _told_wrongly(folder, base, draw)
            found["configurations"] += 1
            found["exact"] += not faults
            for fault in faults:
                print(f"configuration {found['configurations']}: {fault}")
            if found["configurations"] % 20 == 0:
                print(f"{found['configurations']} configurations, {found['exact']} foretold exactly", flush=True)
            shutil.rmtree(folder)

        each()
    return dict(found)


def _told_wrongly(folder: Path, base: Path, draw: Random) -> list[str]:
    """What of a random configuration was not foretold."""
    from foundation.progress import Silent
    from trainer.config.config import parse_config
    from trainer.guarding import update
    from trainer.planning.run_plan import plan_run
    from trainer.planning.written_files import files_of
    from trainer.running.run import run_training

    config = parse_config(dict(_drawn(folder, base, draw)), folder / "run.toml")
    run = plan_run(config)
    uses: Counter[str] = Counter()
    shapes: Counter[tuple[tuple[int, int], int]] = Counter()
    steps: Counter[int] = Counter()
    true = update.add_gradients

    def watched(setup: Any, batch: Any, parameters: Any, factor: float) -> Any:
        uses.update(setup.inputs.names[at] for at in batch.samples)
        height, width = setup.inputs.latents[batch.samples[0]].shape[-2:]
        shapes[((width * 4, height * 4), len(batch.samples))] += 1
        steps[batch.step.epoch] += batch.number == 0
        return true(setup, batch, parameters, factor)

    update.add_gradients = watched
    try:
        record = run_training(config, Silent())
    finally:
        update.add_gradients = true
    shown: Counter[tuple[int, int]] = Counter()
    for (size, count), number in shapes.items():
        shown[size] += count * number
    pairs = {
        "steps": (record.steps, run.steps),
        "steps by epoch": (tuple(steps[epoch] for epoch in sorted(steps)), run.steps_by_epoch),
        "batches": (shapes, _by_size(run.shapes)),
        "buckets": (dict(shown), {one.size: one.shown for one in run.buckets if one.shown}),
        "uses": ({n: uses[n] for n in _names(run)}, {n: u for n, u in zip(_names(run), run.uses, strict=False)}),
        "files": ([], [str(one.path) for one in files_of(config) if one.stays and not one.path.exists()]),
    }
    return [f"{what}: {was} and not {said}" for what, (was, said) in pairs.items() if was != said]


def _by_size(shapes: Any) -> Counter[tuple[tuple[int, int], int]]:
    found: Counter[tuple[tuple[int, int], int]] = Counter()
    for shape, number in shapes.items():
        found[(shape.size, shape.count)] += number
    return found


def _names(run: Any) -> list[str]:
    return [f"{sample.folder}/{sample.path.name}" for sample, _ in run.learned]


def _drawn(folder: Path, base: Path, draw: Random) -> Tables:
    """Data and settings, small enough to be trained in a second."""
    from tiny import SIDE, tiny_picture, tiny_settings

    sides = (24, 32, 40, 48)
    has_reg = draw.random() < 0.6
    for parent in ("Train", "Reg")[: 1 + has_reg]:
        for at in range(draw.randint(1, 3)):
            place = folder / parent / f"{draw.randint(1, 5)}_{parent.lower()} {at}"
            place.mkdir(parents=True)
            for number in range(draw.randint(1, 7)):
                tiny_picture(place / f"{number}.png", draw.getrandbits(30), (draw.choice(sides), draw.choice(sides)))
    tables = tiny_settings(base)
    buckets = draw.random() < 0.7
    tables["data"] = {
        "train": "Train",
        **({"reg": "Reg"} if has_reg else {}),
        "resolution": SIDE,
        "enable_bucket": buckets,
        **({"bucket_no_upscale": True} if buckets and draw.random() < 0.3 else {}),
        "held_out_share": draw.choice((0.0, 0.05, 0.2)),
        "flip_aug": draw.random() < 0.3,
    }
    tables["training"] |= {
        "epochs": draw.randint(1, 3),
        "batch_size": draw.randint(1, 6),
        "gradient_accumulation": draw.randint(1, 3),
        "unet_lr": 1e-4,
        "te_lr": draw.choice((0.0, 1e-4)),
        "seed": draw.randint(0, 1000),
    }
    return tables


def foretold(number: int, clock: str) -> dict[str, float]:
    """In a process of its own: what a plan says of the miniature's configuration of that number."""
    ticking = time.process_time if clock == "processor" else time.perf_counter
    begun = 0.0 if clock == "processor" else time.perf_counter()
    quieten()
    import torch

    from base_models.base_source import find_base
    from foundation.progress import Silent
    from trainer.calibrating.calibration import calibrate
    from trainer.planning.duration import duration_of
    from trainer.planning.memory import memory_of
    from trainer.planning.run_plan import plan_run

    with tempfile.TemporaryDirectory() as name:
        config = _of_the_miniature(number, Path(name))
        run, base = plan_run(config), find_base(config.model.base)
        assert base.sha256
        assert run.dataset.sha256()
        duration = duration_of(run, calibrate(run, base, Silent(), begun, ticking))
        memory = memory_of(run, base, "cpu", torch.get_num_threads())
    return {"seconds": duration.seconds, "peak": memory.peak, "libraries": memory.libraries, **duration.parts}


def happened(number: int, clock: str) -> dict[str, float]:
    """In a process of its own: what the run took."""
    ticking = time.process_time if clock == "processor" else time.perf_counter
    begun = 0.0 if clock == "processor" else time.perf_counter()
    quieten()
    import trainer.running.training  # noqa: F401 (what is resident before the run)
    from trainer.running.run import run_training

    with tempfile.TemporaryDirectory() as name:
        before = _resident("VmRSS")
        record = run_training(_of_the_miniature(number, Path(name)))
    return {"seconds": ticking() - begun, "peak": _resident("VmHWM"), "libraries": before, "steps": record.steps}


def _resident(what: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(what)).split()[1]) * 1024


def _of_the_miniature(number: int, folder: Path) -> Any:
    """A configuration that a sensible person might write, over the shipped subject; about a minute of a quiet core."""
    from miniature.paths import SUBJECT
    from trainer.config.config import parse_config

    draw = Random(f"plan/{number}")
    batch = draw.choice((1, 2, 4, 8, 16))
    data: dict[str, object] = {"train": str(SUBJECT / "Train"), "held_out_share": draw.choice((0.0, 0.1))}
    if batch > 2 and draw.random() < 0.4:
        data["reg"] = str(SUBJECT / "Reg")
    if batch > 2 and draw.random() < 0.3:
        data["resolution"] = 96
    rank = draw.choice((4, 16, 64, 128))
    tables: Tables = {
        "model": {"device": "cpu"},
        "data": data,
        "lora": {"rank": rank, "alpha": rank},
        "training": {
            "epochs": 1 if batch < 8 else 2,
            "batch_size": batch,
            "te_lr": draw.choice((0.0, 5e-4)),
            "unet_lr": 1e-4,
            "optimizer": draw.choice(("AdamW", "Lion", "Prodigy")),
        },
        "output": {"folder": "out", "name": "run"},
    }
    if tables["training"]["optimizer"] == "Prodigy":
        tables["training"] |= {"unet_lr": 1.0, "te_lr": draw.choice((0.0, 1.0))}
    return parse_config({"preset": "miniature", **tables}, folder / "run.toml")


def measured(number: int, clock: str) -> dict[str, Any]:
    """Both processes of one configuration."""
    parts: dict[str, Any] = {}
    for part in ("foretold", "happened"):
        command = [sys.executable, str(Path(__file__)), "--clock", clock, "--part", part, "--number", str(number)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"configuration {number}, {part}: {done.stderr[-2000:]}")
        parts[part] = json.loads(done.stdout.splitlines()[-1])
    return {"number": number, "clock": clock, **parts}


def _errors(rows: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    pairs = [(row["foretold"], row["happened"]) for row in rows]
    return {
        "time": [abs(one["seconds"] / other["seconds"] - 1) for one, other in pairs],
        "memory": [abs(one["peak"] / other["peak"] - 1) for one, other in pairs],
        "beyond_libraries": [
            abs((one["peak"] - one["libraries"] + LOADED_LATER) / (other["peak"] - other["libraries"]) - 1)
            for one, other in pairs
        ],
    }


# What LIBRARIES has over what is resident before a run begins: classes that are loaded with the base model.
LOADED_LATER = 1.2e8


def summary(counts: dict[str, int], rows: Sequence[dict[str, Any]], clock: str) -> dict[str, object]:
    errors = _errors(rows)
    return {
        **counts,
        "runs": len(rows),
        "time_error": round(max(errors["time"]), 3),
        "time_error_median": round(median(errors["time"]), 3),
        "time_within_bar": sum(one <= TIME_BAR for one in errors["time"]),
        "memory_error": round(max(errors["memory"]), 3),
        "memory_error_median": round(median(errors["memory"]), 3),
        "memory_error_beyond_libraries": round(max(errors["beyond_libraries"]), 3),
        "clock": clock,
        "against": "the trainer itself",
        "machine": machine_in_words("no GPU"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=CONFIGURATIONS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--kept", type=Path, default=Path("runs/benchmarks/plan.jsonl"), help="finished pieces")
    parser.add_argument("--part", choices=("foretold", "happened"), help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part:
        print(json.dumps({"foretold": foretold, "happened": happened}[chosen.part](chosen.number, chosen.clock)))
        return
    quieten()
    chosen.kept.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in chosen.kept.read_text().splitlines()] if chosen.kept.is_file() else []
    counts = next((row["counts"] for row in rows if "counts" in row), None)
    with chosen.kept.open("a") as kept:
        if counts is None:
            counts = counted(chosen.configurations)
            kept.write(json.dumps({"counts": counts}) + "\n")
        done = {row["number"]: row for row in rows if row.get("clock") == chosen.clock}
        for number in range(chosen.runs):
            if number not in done:
                done[number] = measured(number, chosen.clock)
                kept.write(json.dumps(done[number]) + "\n")
                kept.flush()
            row = done[number]
            print(f"{number}: foretold {row['foretold']}, happened {row['happened']}", flush=True)
    print(json.dumps(summary(counts, [done[number] for number in range(chosen.runs)], chosen.clock)))


if __name__ == "__main__":
    main()
