"""kill -9 at random instants of a run on the miniature: does each resumed run end with the uninterrupted one's tensors?

A run is `python -m trainer run` in a process of its own. One is left alone. The others are killed at a random instant
between the first file that the run writes and its last (so much processor time after a file, that other work on the
machine moves no instant), some of them while a file is being written, and started again until they are done. Then every
epoch's tensors must be equal bit for bit, and so must `sshs_model_hash` and the log of steps. A seed draws the same
instants again. What was found is kept in a folder, so a stopped benchmark goes on. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import psutil
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from this_machine.words import machine_in_words

ROOT = Path(__file__).resolve().parents[1]
SUBJECT = ROOT / "miniature" / "subject"
NAME = "run"
CONFIG = """
preset = "miniature"
[model]
device = "cpu"
[data]
train = "../Train"
reg = "../Reg"
[lora]
rank = 4
alpha = 4.0
[training]
epochs = 3
batch_size = 4
[output]
folder = "out"
name = "run"
save_state_every = 3
"""
# How often the files are looked at for one that is being written: writing one takes some milliseconds.
GLANCE = 0.0005


@dataclass(frozen=True)
class Instant:
    """So many processor seconds after the `number`-th file (from 1) was begun; None: while it is being written."""

    number: int
    seconds: float | None


def write_data(folder: Path) -> None:
    """Some of the shipped subject's pictures with their captions, and reg pictures beside them."""
    for kind, name, count in (("Train", "2_ohwx person", 7), ("Reg", "1_person", 6)):
        (folder / kind / name).mkdir(parents=True)
        for path in sorted((SUBJECT / kind).glob("*/*.png"))[:count]:
            for one in (path, path.with_suffix(".txt")):
                if one.is_file():
                    shutil.copy(one, folder / kind / name / one.name)


def spent(process: subprocess.Popen[str]) -> float:
    """Seconds of processor time."""
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


def partial(out: Path) -> set[str]:
    """Names of the files that are being written."""
    return {name for name in (os.listdir(out) if out.is_dir() else ()) if ".partial" in name}


def start(run: Path) -> subprocess.Popen[str]:
    run.mkdir(exist_ok=True)
    (run / "run.toml").write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-m", "trainer", "run", str(run / "run.toml")]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def to_the_end(run: Path) -> None:
    process = start(run)
    try:
        _, told = process.communicate()
    finally:
        process.kill()  # a stopped benchmark leaves no run behind
    if process.returncode:
        raise SystemExit(f"a run was not finished: {told[-2000:]}")


def uninterrupted(run: Path) -> list[float]:
    """Make the whole run; returns the processor seconds at which it began each of its files."""
    process, seen, begun = start(run), set[str](), list[float]()
    try:
        while process.poll() is None:
            new = partial(run / "out") - seen
            begun += [spent(process)] * len(new)
            seen |= new
            time.sleep(GLANCE)
    except psutil.Error:
        pass  # it ended between two looks
    _, told = process.communicate()
    if process.returncode:
        raise SystemExit(f"the uninterrupted run was not finished: {told[-2000:]}")
    return begun


def drawn(draw: Random, begun: Sequence[float], while_writing: bool) -> Instant:
    """An instant of a run that began its files at these times."""
    if while_writing:
        return Instant(draw.randint(1, len(begun)), None)
    at = draw.uniform(begun[0], begun[-1])
    number = sum(one <= at for one in begun)
    return Instant(number, at - begun[number - 1])


def kill(run: Path, instant: Instant) -> bool:
    """Start a run and kill it at an instant; False where it had ended before."""
    process, seen = start(run), set[str]()
    since: float | None = None
    try:
        while process.poll() is None:
            now = partial(run / "out")
            seen |= now
            if since is None and len(seen) >= instant.number and (now or instant.seconds is not None):
                since = spent(process)
            if since is not None and (instant.seconds is None or spent(process) - since >= instant.seconds):
                break
            time.sleep(GLANCE)
    except psutil.Error:
        pass  # it ended between two looks
    finally:
        process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def differences(one: Path, other: Path) -> list[str]:
    """What is not the same in two finished runs."""
    names = sorted(path.name for path in one.glob("*.safetensors"))
    if names != sorted(path.name for path in other.glob("*.safetensors")):
        return ["the files"]
    found: list[str] = []
    for name in names:
        ours, theirs = load_file(one / name), load_file(other / name)
        if ours.keys() != theirs.keys() or not all(torch.equal(ours[key], theirs[key]) for key in ours):
            found.append(f"tensors of {name}")
        if model_hash(one / name) != model_hash(other / name):
            found.append(f"sshs_model_hash of {name}")
    if (one / f"{NAME}-log.jsonl").read_bytes() != (other / f"{NAME}-log.jsonl").read_bytes():
        found.append("the log")
    return found


def model_hash(path: Path) -> str:
    with safe_open(path, framework="pt") as opened:
        return opened.metadata()["sshs_model_hash"]


def state_of(out: Path) -> str:
    """Where a kill caught a run, in words."""
    if partial(out):
        return "a half-written file"
    lines = out / f"{NAME}-log.jsonl"
    return f"{len(lines.read_text().splitlines()) if lines.is_file() else 0} steps logged"


def measure(folder: Path, number: int, draw: Random, begun: Sequence[float], while_writing: bool) -> dict[str, object]:
    """One run killed and made to its end; an instant that comes after the run's end is drawn anew."""
    run, began = folder / f"killed-{number}", time.monotonic()
    while not kill(run, drawn(draw, begun, while_writing)):
        shutil.rmtree(run)
    caught = state_of(run / "out")
    to_the_end(run)
    unlike = differences(folder / "whole" / "out", run / "out")
    shutil.rmtree(run)
    return {"kill": number, "caught": caught, "different": unlike, "seconds": round(time.monotonic() - began, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--while-writing", type=int, default=5, help="how many of them come while a file is written")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kept", type=Path, default=Path("runs/benchmarks/kills"), help="what was found so far")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = chosen.kept.resolve() / str(chosen.seed)
    if not (folder / "begun.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        write_data(folder)
        (folder / "begun.json").write_text(json.dumps(uninterrupted(folder / "whole")))
    begun, rows = json.loads((folder / "begun.json").read_text()), folder / "kills.jsonl"
    found = [json.loads(line) for line in rows.read_text().splitlines()] if rows.is_file() else []
    for number in range(len(found), chosen.kills):
        shutil.rmtree(folder / f"killed-{number}", ignore_errors=True)
        draw = Random(f"{chosen.seed}/{number}")
        row = measure(folder, number, draw, begun, number >= chosen.kills - chosen.while_writing)
        found.append(row)
        with rows.open("a") as kept:
            kept.write(json.dumps(row) + "\n")
        print(f"{number}: killed with {row['caught']}: {row['different'] or 'identical'}", file=sys.stderr)
    figures = {
        "kills": len(found),
        "identical": sum(not row["different"] for row in found),
        "seconds": round(sum(row["seconds"] for row in found), 1),
        "caught": dict(Counter(row["caught"] for row in found)),
        "files_of_a_run": len(begun),
        "against": "the same run, never interrupted",
        "machine": machine_in_words(f"{torch.get_num_threads()} threads, no GPU"),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
