"""Planted runs on the miniature: 30 with a fault, 30 healthy variations. Is each run's verdict right?

A faulty run is right when the verdict (or the refusal) names the fault; a healthy one when it says "healthy".
Afterwards every LoRA file is read again, every culprit picture must be in the run's words, and no other picture.
Finished runs are kept in a JSON lines file, so a stopped benchmark goes on. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from random import Random
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from foundation.command_line import quieten
from foundation.errors import UserError
from foundation.progress import Silent
from miniature.paths import FOLDERS, SUBJECT
from this_machine.words import machine_in_words
from trainer.config.config import TrainConfig, parse_config
from trainer.data.buckets import frames_of
from trainer.data.dataset import read_dataset
from trainer.data.held_out import with_held_out
from trainer.data.plan import make_plan
from trainer.learning.processes import Processes
from trainer.records.run_identity import identity_of
from trainer.running.session import Session
from trainer.running.training import carry_out, make_session

FAULTY, HEALTHY = 30, 30
AGAINST = "what was planted"
Tables = dict[str, dict[str, object]]


@dataclass
class Planted:
    """A run to be: its data in `folder`, what its settings change, what it should be called, and what is in its way.

    `culprit` must be named; `poison` breaks the session once it is ready.
    """

    folder: Path
    draw: Random
    expected: tuple[str, ...]
    tables: Tables = field(default_factory=dict)
    culprit: str = ""
    poison: Callable[[Session], None] = lambda session: None

    def pictures(self) -> list[Path]:
        return sorted((self.folder / "Train").glob("*/*.png"))


def nan_latent(run: Planted) -> None:
    at = run.draw.randrange(len(run.pictures()))
    run.culprit, run.expected = run.pictures()[at].name, ("diverged on these pictures",)

    def poison(session: Session) -> None:
        session.updater.setup.inputs.latents[at][0, run.draw.randrange(8), run.draw.randrange(8)] = nan

    run.poison = poison


def corrupt_picture(run: Planted) -> None:
    path = run.draw.choice(run.pictures())
    whole = path.read_bytes()
    damages = (whole[: len(whole) // 2], b"<html>404 not found</html>", whole[:80] + bytes(len(whole) - 80))
    path.write_bytes(run.draw.choice(damages))
    run.culprit, run.expected = path.name, ("diverged on these pictures",)


def rate_times_1000(run: Planted) -> None:
    run.tables["training"] = {"unet_lr": 2.0, "te_lr": 0.5}
    run.expected = ("exploding",)


def rate_over_10000(run: Planted) -> None:
    run.tables["training"] = {"unet_lr": 2e-7, "te_lr": 5e-8}
    run.expected = ("vanished",)


def tiny_alpha(run: Planted) -> None:
    run.tables["lora"] = {"alpha": run.draw.choice((1e-4, 1e-3, 3e-4))}
    run.expected = ("vanished",)


def te_rate_times_100(run: Planted) -> None:
    run.tables["training"] = {"te_lr": 5e-2}
    run.expected = ("text encoder overfitting",)


def fp16_overflow(run: Planted) -> None:
    """The same base to float32's eye: one convolution's answer is huge, and the norm behind it takes that back."""
    pipeline = StableDiffusionPipeline.from_pretrained(FOLDERS["base"], safety_checker=None)
    blocks = [pipeline.unet.down_blocks[at].resnets[0] for at in range(2)]
    block, scale = run.draw.choice(blocks), run.draw.choice((3e4, 5e4, 1e5))
    with torch.no_grad():
        for module in (block.conv1, block.time_emb_proj):
            module.weight.mul_(scale)
            module.bias.mul_(scale)
    pipeline.save_pretrained(run.folder / "base")
    run.tables["model"] = {"base": str(run.folder / "base"), "dtype": "float16"}
    run.tables["training"] = {"batch_size": 1}  # half precision is slow on a CPU
    run.expected = ("overflow",)


def empty_captions(run: Planted) -> None:
    path = run.draw.choice(run.pictures()).with_suffix(".txt")
    path.write_text(run.draw.choice(("", "\n", "  \n\n")), encoding="utf-8")
    run.culprit, run.expected = path.name, ("refused",)


def far_too_long(run: Planted) -> None:
    for path in run.pictures()[2:]:
        path.unlink()
        path.with_suffix(".txt").unlink()
    run.tables["training"] = {"epochs": 10, "batch_size": 2, "te_lr": 0.0, "unet_lr": 4e-3}
    _repeat(run.folder, 16)
    run.expected = ("overfitting",)


FAULTS: dict[str, Callable[[Planted], None]] = {
    "NaN latent": nan_latent,
    "corrupt picture": corrupt_picture,
    "learning rate x1000": rate_times_1000,
    "learning rate x1e-4": rate_over_10000,
    "alpha tiny": tiny_alpha,
    "TE rate x100": te_rate_times_100,
    "fp16 overflow": fp16_overflow,
    "empty captions": empty_captions,
    "far too long": far_too_long,
}


def healthy(run: Planted) -> None:
    """Anything that a sensible person may set."""
    draw, rank = run.draw, run.draw.choice((4, 8, 16, 32))
    run.tables["lora"] = {"rank": rank, "alpha": draw.choice((rank, rank / 2))}
    run.tables["training"] = {
        "unet_lr": draw.choice((5e-4, 1e-3, 2e-3)),
        "te_lr": draw.choice((0.0, 1e-4, 5e-4)),
        "batch_size": draw.choice((3, 4, 8)),
        "noise_offset": draw.choice((0.0, 0.06)),
        "lr_warmup_steps": draw.choice((0, 3)),
    }
    if draw.random() < 0.3:
        reg = run.folder / "Reg" / "1_person"
        _copy(sorted((SUBJECT / "Reg").glob("*/*.png")), reg, draw, 12)
        run.tables["data"] = {"reg": "Reg"}


def plant(kind: str, seed: int, folder: Path) -> Planted:
    """A run of `kind` with data of its own: 16 pictures to train on, 6 held out."""
    draw = Random(f"{kind}/{seed}")
    pictures = sorted((SUBJECT / "Train").glob("*/*.png"))
    draw.shuffle(pictures)
    _copy(pictures[:16], folder / "Train" / "3_ohwx person", draw, 16)
    _copy(pictures[16:], folder / "held out", draw, 6)
    run = Planted(folder, draw, ("healthy",))
    FAULTS.get(kind, healthy)(run)
    return run


def _copy(pictures: Sequence[Path], folder: Path, draw: Random, count: int) -> None:
    folder.mkdir(parents=True)
    for path in draw.sample(list(pictures), count):
        for one in (path, path.with_suffix(".txt")):
            shutil.copy(one, folder / one.name)


def _repeat(folder: Path, times: int) -> None:
    next((folder / "Train").iterdir()).rename(folder / "Train" / f"{times}_ohwx person")


def _config(run: Planted, seed: int) -> TrainConfig:
    tables: Tables = {
        "model": {"device": "cpu"},
        "data": {"train": "Train", "held_out": "held out"},
        "training": {"epochs": 3, "batch_size": 4, "seed": seed},
        "output": {"folder": "out", "name": "run"},
    }
    merged = {name: {**tables.get(name, {}), **run.tables.get(name, {})} for name in [*tables, *run.tables]}
    return parse_config({"preset": "miniature", **merged}, run.folder / "run.toml")


def outcome(run: Planted, seed: int) -> tuple[str, str, list[str]]:
    """Train, and return the verdict's name, everything that the user is told, and the pictures that were accused."""
    config = _config(run, seed)
    record = config.output.folder / "run-run.json"
    try:
        dataset = with_held_out(read_dataset(config.data.train, config.data.reg), config.data, seed)
        plan = make_plan(dataset, config.training, frames_of(dataset, config.data))
        config.output.folder.mkdir()
        session, events = make_session(config, dataset, plan, "cpu", Silent(), Processes())
        run.poison(session)
        verdict = carry_out(session, identity_of(config, dataset.sha256(), "base"), events, Silent()).verdict
        found, words = (verdict.name, verdict.words) if verdict else ("none", "")
    except UserError as error:
        verdicts = json.loads(record.read_text())["verdicts"] if record.is_file() else []
        found, words = (verdicts[-1]["name"] if verdicts else "refused"), str(error)
    events = json.loads(record.read_text())["events"] if record.is_file() else []
    return found, words, _accused(run, "\n".join([words, *(picture for one in events for picture in one["pictures"])]))


def _accused(run: Planted, told: str) -> list[str]:
    """The run's pictures and captions that `told` names, of whatever folder."""
    files = [path for path in run.folder.glob("*/*/*") if path.suffix in (".png", ".txt")]
    files += (run.folder / "held out").iterdir()
    return sorted({path.name for path in files if path.name in told})


def _broken(folder: Path) -> int:
    files = [load_file(path) for path in folder.glob("out/*.safetensors")]
    return sum(not all(tensor.isfinite().all() for tensor in file.values()) for file in files)


def measure(kind: str, seed: int) -> dict[str, Any]:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        run = plant(kind, seed, Path(name))
        verdict, words, accused = outcome(run, seed)
        return {
            "kind": kind,
            "seed": seed,
            "verdict": verdict,
            "right": verdict in run.expected,
            "words": words.replace(name, ""),
            "broken_files": _broken(run.folder),
            "culprit": run.culprit,
            "named": run.culprit in words if run.culprit else None,
            "wrongly_named": [name for name in accused if name != run.culprit],
            "seconds": round(time.monotonic() - began, 1),
        }


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, object]:
    culprits = [row["named"] for row in rows if row["culprit"]]
    right, runs = Counter(str(row["kind"]) for row in rows if row["right"]), Counter(str(row["kind"]) for row in rows)
    return {
        "runs": len(rows),
        "right": sum(right.values()),
        "false_alarms": sum(row["kind"] == "healthy" and not row["right"] for row in rows),
        "broken_files": sum(int(str(row["broken_files"])) for row in rows),
        "culprits_named": f"{sum(map(bool, culprits))} of {len(culprits)}",
        "wrongly_named": sum(len(row["wrongly_named"]) for row in rows),
        "by_kind": {kind: f"{right[kind]} of {count}" for kind, count in runs.items()},
        "against": AGAINST,
        "machine": machine_in_words(f"{torch.get_num_threads()} threads, no GPU"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kept", type=Path, default=Path("runs/benchmarks/guards.jsonl"), help="finished runs")
    parser.add_argument("--first-seed", type=int, default=1000, help="limits were set on seeds below 1000")
    parser.add_argument("--only", choices=[*FAULTS, "healthy"], help="one kind")
    parser.add_argument("--faulty", type=int, default=FAULTY)
    parser.add_argument("--healthy", type=int, default=HEALTHY)
    chosen = parser.parse_args()
    quieten()
    faults = [list(FAULTS)[at % len(FAULTS)] for at in range(chosen.faulty)]
    kinds = [*faults, *["healthy"] * chosen.healthy]
    wanted = [(kind, chosen.first_seed + at) for at, kind in enumerate(kinds) if chosen.only in (None, kind)]
    chosen.kept.parent.mkdir(parents=True, exist_ok=True)
    lines = chosen.kept.read_text().splitlines() if chosen.kept.is_file() else []
    done = {(row["kind"], row["seed"]): row for row in map(json.loads, lines)}
    for kind, seed in wanted:
        if (kind, seed) not in done:
            row = done[(kind, seed)] = measure(kind, seed)
            with chosen.kept.open("a") as kept:
                kept.write(json.dumps(row) + "\n")
            mark = "" if row["right"] else " WRONG"
            print(f"{kind} {seed}: {row['verdict']}{mark} ({row['seconds']} s): {row['words']}")
    print(json.dumps(summary([done[one] for one in wanted])))


if __name__ == "__main__":
    main()
