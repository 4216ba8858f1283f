"""Does the cost of a grid grow in step? Pictures a second at ten times the cells, and memory, on the miniature.

Every cell renders the same few pictures of a few steps, in one process each time, so that what is measured is what
cells and checkpoints cost. Memory is what the ten times larger grid needs at its peak beyond the smaller. The last line
is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from this_machine.words import machine_in_words

CELLS, TIMES = 6, 10
SUBJECT = Path(__file__).resolve().parents[2] / "miniature" / "subject"
SPEC = """
[model]
base = "miniature"
device = "cpu"
[lora]
checkpoints = ["{folder}/*.safetensors"]
unet = [0.5, 1.0]
te = [0.0, 0.5, 1.0]
[sampler]
steps = 2
batch = 4
[prompts]
texts = ["photo of a ohwx person, smiling"]
seeds = 4
trigger = "ohwx person"
class = "person"
[references]
held_out = "{references}"
[store]
path = "{folder}/store"
"""


def write_checkpoints(folder: Path, count: int) -> None:
    """Files of different contents."""
    from loras.lora_file import LoraFile, LoraModule, read_lora, write_lora

    shipped = read_lora(SUBJECT / "first.safetensors")
    for number in range(count):
        modules = {
            name: LoraModule(module.down, module.up, module.alpha * (1 + 0.01 * number))
            for name, module in shipped.modules.items()
            if isinstance(module, LoraModule)
        }
        write_lora(LoraFile(modules, {}), folder / f"c{number:03d}.safetensors")


def render(checkpoints: int) -> dict[str, float]:
    """One grid in this process: pictures a second of rendering as the store kept it, and the peak of memory in MiB."""
    from eval.grid.run_grid import run_grid
    from eval.request.spec import read_spec
    from eval.store.render_rates import KEY
    from eval.store.store import open_store
    from foundation.progress import Silent

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_checkpoints(folder, checkpoints)
        (folder / "grid.toml").write_text(SPEC.format(folder=folder, references=SUBJECT / "references"))
        began = time.perf_counter()
        outcome = run_grid(read_spec(folder / "grid.toml"), Silent())
        whole = time.perf_counter() - began
        store = open_store(folder / "store")
        (rate,) = (store.fact(KEY) or {}).values()
        store.close()
    assert isinstance(rate, dict)
    return {
        "cells": outcome.cells,
        "pictures": outcome.rendered,
        "pictures_a_second": rate["pictures"] / rate["seconds"],
        "seconds": whole,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measured(checkpoints: int) -> dict[str, float]:
    """In a process of its own, whose peak of memory is nobody else's."""
    command = [sys.executable, __file__, "--render", str(checkpoints)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
    print(done.stdout.strip(), file=sys.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--render", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.render:
        print(json.dumps(render(asked.render)))
        return
    once, ten = measured(CELLS // 6), measured(TIMES * CELLS // 6)
    print(
        json.dumps(
            {
                "pictures_a_second_1x": round(once["pictures_a_second"], 3),
                "pictures_a_second_10x": round(ten["pictures_a_second"], 3),
                "ratio": round(ten["pictures_a_second"] / once["pictures_a_second"], 3),
                "memory_growth_mib": round(ten["peak_mib"] - once["peak_mib"], 1),
                "cells": [once["cells"], ten["cells"]],
                "against": "our own grid of a tenth of the cells",
                "machine": machine_in_words(),
            }
        )
    )


if __name__ == "__main__":
    main()
