"""Scoring beside rendering on the miniature: what it adds to the time that the pictures themselves take.

A small grid is rendered with nothing scored, then the same pictures are scored, both in one run with the models
loaded before. The last line is one JSON object: render_seconds, scoring_seconds, share.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

from eval.executors.choice import opened_executor
from eval.executors.executor import Job
from eval.grid.picture_maker import amount_of
from eval.judging.readings import Reader
from eval.request.plan import batches_of, make_plan
from eval.request.spec import GridSpec, read_spec
from eval.store.store import create_store
from foundation.progress import Silent
from miniature.paths import SUBJECT
from this_machine.words import machine_in_words

BATCH = 16
SPEC = """
[model]
base = "miniature"
device = "cpu"
[lora]
checkpoints = ["{subject}/first.safetensors"]
unet = [0.6, 0.8, 1.0]
te = [0.0, 1.0]
[prompts]
file = "{subject}/prompts.toml"
seeds = 2
trigger = "ohwx person"
class = "person"
[references]
held_out = "{subject}/references"
training = "{subject}/Train"
[store]
path = "eval"
"""


def measure(spec: GridSpec) -> dict[str, float]:
    """Seconds of both, and how many pictures; loading of models is timed for neither."""
    plan = make_plan(spec)
    store = create_store(spec.store.path, spec.store.pictures)
    reader = Reader(spec.score, store, Silent())
    for judge in reader.judges.all:
        assert judge.reader.facts.sha256
    with opened_executor(Job(spec.model, plan.sampling, spec.score, store.place), None) as executor:
        batches = list(batches_of(plan, BATCH))
        list(executor.run(iter(batches[:1]), amount_of(batches[:1])))  # loads the base, and warms it up
        began = time.perf_counter()
        done = sum(len(one.batch.pictures) for one in executor.run(iter(batches[1:]), amount_of(batches[1:])))
        rendered = time.perf_counter() - began
    reader.read_pictures(batches[0].pictures)
    began = time.perf_counter()
    reader.read_pictures([picture for batch in batches[1:] for picture in batch.pictures])
    scored = time.perf_counter() - began
    store.close()
    return {"pictures": done, "render_seconds": rendered, "scoring_seconds": scored, "share": scored / rendered}


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "grid.toml"
        path.write_text(SPEC.format(subject=SUBJECT), encoding="utf-8")
        found = {key: round(value, 4) for key, value in measure(read_spec(path)).items()}
    machine = machine_in_words(f"{torch.get_num_threads()} threads, no GPU")
    print(json.dumps({**found, "against": "rendering the same pictures, 30 steps", "machine": machine}))


if __name__ == "__main__":
    main()
