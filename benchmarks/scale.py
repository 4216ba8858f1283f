"""What a large grid costs beside rendering: plan, store, pictures' files, hashing, changes of weights, bytes shipped.

Measured for real where no GPU is needed: plans of up to a million pictures, rows that the coordinator writes, PNG files
saved and flushed, LoRA files hashed and read. docs/scale.md builds its cost model on these. The last line is one JSON
object.
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
from collections.abc import Callable
from pathlib import Path

import numpy as np

from base_models.drawing.png import png_of
from eval.grid.picture_maker import amount_of, missing_batches
from eval.request.cells import Cell, Checkpoint, Sampling, Use
from eval.request.plan import Plan, batches_of
from eval.request.prompts import Prompt
from eval.request.units import Unit
from eval.store.picture_files import PictureFolder
from eval.store.store import create_store
from eval.store.tables import PictureRow, Reading
from foundation.files import sha256_of
from loras.weights import Weights
from this_machine.words import machine_in_words

SAMPLING = Sampling("base", "float16", "euler_a", 30, 9.0, 512, 512, 1, "")
PROMPT = Prompt("a ohwx person", "a person")
WEIGHTS, SEEDS, BATCH = (0.4, 0.6, 0.8, 1.0), 8, 32
LORA_BYTES, SIDE = 150 * 10**6, 512


def plan_of(pictures: int) -> Plan:
    """Checkpoints at 4 x 4 weights, 8 pictures a cell."""
    units = [Unit(PROMPT.text, seed, "subject") for seed in range(SEEDS)]
    count = pictures // (SEEDS * len(WEIGHTS) ** 2)
    files = [Checkpoint(Path(f"/loras/{at}.safetensors"), str(at), f"{at:064x}", at) for at in range(count)]
    cells = [Cell(Use(one, Weights.of(u, t)), (), "float16") for one in files for t in WEIGHTS for u in WEIGHTS]
    return Plan(SAMPLING, {PROMPT.text: PROMPT}, units, cells)


def planned(pictures: int) -> dict[str, float]:
    """Seconds to plan and cut into batches, and the process's peak of memory beyond its start."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    amount = amount_of(batches_of(plan_of(pictures), BATCH))
    seconds = time.perf_counter() - began
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"pictures": amount.pictures, "batches": amount.batches, "seconds": seconds, "mib": memory}


def seconds_of(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def rows(folder: Path, pictures: int) -> dict[str, float]:
    """The coordinator: batches of rows with two embeddings each, then looking for what is missing."""
    store, plan = create_store(folder / "store"), plan_of(pictures)
    vector = np.ones(512, dtype=np.float32)

    def write() -> None:
        for batch in batches_of(plan, BATCH):
            made = [
                PictureRow(id=one.id, cell="c", prompt=one.prompt, seed=one.seed, failure=None)
                for one in batch.pictures
            ]
            readings = {model: {one.id: Reading(vector) for one in batch.pictures} for model in ("faces", "clip")}
            store.add_pictures(made, readings)

    writing = seconds_of(write)
    looking = seconds_of(lambda: list(missing_batches(plan, BATCH, store)))
    store.close()
    size = sum(path.stat().st_size for path in (folder / "store").glob("*.sqlite*"))
    count = plan.picture_count
    return {"rows_a_second": count / writing, "looked_up_a_second": count / looking, "bytes_a_picture": size / count}


def files(folder: Path, count: int) -> dict[str, float]:
    """PNG files of a smooth picture with some noise, encoded, and saved with a flush each."""
    ramp = np.linspace(0, 1, SIDE, dtype=np.float32)
    noise = np.random.default_rng(0).normal(scale=0.02, size=(SIDE, SIDE, 3)).astype(np.float32)
    picture = np.clip(ramp[:, None, None] * ramp[None, :, None] + noise, 0, 1)
    place, png = PictureFolder(folder / "pictures"), png_of(picture, "parameters")
    place.make_ready()
    encoding = seconds_of(lambda: png_of(picture, "parameters"))
    saving = seconds_of(lambda: [place.write(f"{number:020x}", png) for number in range(count)]) / count
    return {"bytes": len(png), "encode_seconds": encoding, "save_seconds": saving}


def hashing(folder: Path) -> float:
    """Seconds to hash one LoRA file of the usual size, from the page cache."""
    path = folder / "lora.safetensors"
    path.write_bytes(os.urandom(LORA_BYTES))
    return seconds_of(lambda: sha256_of(path))


def in_own_process(pictures: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--plan", str(pictures)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--largest", type=int, default=1_280_000, help="pictures of the largest plan")
    asked = parser.parse_args()
    if asked.plan:
        print(json.dumps(planned(asked.plan)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = {
            "plans": [in_own_process(count) for count in (12_800, 128_000, asked.largest)],
            "store": rows(folder, 12_800),
            "png_512": files(folder, 50),
            "hash_seconds_150_mb": hashing(folder),
            "lora_bytes": LORA_BYTES,
            "against": "the same work at a hundredth of the size",
            "machine": machine_in_words("no GPU"),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
