"""All that is to be measured on a GPU, in one go: is it right, how fast are grids and training, and what makes it so.

    python benchmarks/gpu.py               # eight minutes at most on one H100- or H200-class card
    python benchmarks/gpu.py --rehearse    # every line on a CPU with tiny models; no figure means anything
    python benchmarks/gpu.py --only right grid_sd15

Each part is a process of its own with a time limit, and says each figure as soon as it has it: one that fails, runs out
of memory or of time loses no other. What each part's figures mean is said at the top of its file in
`benchmarks/on_gpu/`; what a bare machine has to be given is said in `benchmarks/gpu.md`. The last line is one JSON
object: a key for each part, `seconds` of each, and `machine`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Part:
    """A file of `benchmarks/on_gpu/`, the seconds that it may take on a GPU, and what it is told beside."""

    file: str
    limit: int
    told: tuple[str, ...] = ()


# Together under eight minutes.
PARTS = {
    "right": Part("right", 110),
    "grid_sd15": Part("grids", 100, ("sd15",)),
    "train": Part("training", 120),
    "grid_sdxl": Part("grids", 80, ("sdxl",)),
    "ablation": Part("ablation", 70),
}
REHEARSED = 200  # seconds that a part may take on two cores
HERE = Path(__file__).resolve()


def part(name: str, rehearse: bool) -> None:
    """In a process of its own: figures as they come, a JSON object a line."""
    from foundation.command_line import quieten
    from on_gpu.bench import bench_here

    quieten()
    bench = bench_here(rehearse)
    if bench is None:
        print(json.dumps({"not_measured": "there is no CUDA device here"}))
        return
    print(json.dumps(bench.card), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for key, figure in _figures(name, bench, Path(folder)):
            print(json.dumps({key: figure}), flush=True)


def _figures(name: str, bench: Any, folder: Path) -> Iterator[tuple[str, Any]]:
    """A part imports only what it needs, so that a library which is not there costs that part alone."""
    chosen = PARTS[name]
    module: Any = importlib.import_module(f"on_gpu.{chosen.file}")
    return module.measured(bench, folder, *chosen.told)


def told_by(name: str, rehearse: bool) -> dict[str, Any]:
    """All that a part said before it ended, failed, or was stopped at its limit."""
    asked = [sys.executable, str(HERE), "--part", name, *(["--rehearse"] if rehearse else [])]
    limit = REHEARSED if rehearse else PARTS[name].limit
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), *sys.path])}
        process = subprocess.Popen(asked, stdout=out, env=environment, cwd=HERE.parents[1])
        try:
            code = process.wait(limit)
            ended = "" if code == 0 else f"failed: exit {code}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            ended = f"stopped after {limit} seconds"
        out.seek(0)
        lines = [line for line in out.read().splitlines() if line.startswith("{") and line.endswith("}")]
    figures: dict[str, Any] = {}
    for line in lines:
        figures |= json.loads(line)
    return {**figures, **({"ended": ended} if ended else {}), "seconds": round(time.monotonic() - began, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, with tiny models: no figure means anything")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts alone")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        part(asked.part, asked.rehearse)
        return
    found: dict[str, Any] = {"rehearsal": True} if asked.rehearse else {}
    for name in asked.only:
        found[name] = told_by(name, asked.rehearse)
        print(json.dumps(found), flush=True)  # a borrowed machine may be taken away
    machines = {one.pop("machine") for one in found.values() if isinstance(one, dict) and "machine" in one}
    found["machine"] = ", ".join(sorted(machines)) or "no GPU"
    print(json.dumps(found))


if __name__ == "__main__":
    main()
