"""Records a full grid of the miniature for `benchmarks/search.py`.

    python benchmarks/recorded_grids/record.py mira (or otto)

Draws and trains the subject (8 epochs), renders 8 checkpoints x 4 UNet x 4 text-encoder weights x 6 prompts x 12 seeds
and the base model's own, and writes what the scoring models read of every picture to `recorded/SUBJECT.parquet`.
Euler a at A1111's default of 20 steps, in bfloat16 (two thirds of the protocol's 30 steps, a quarter less time each):
40 minutes of a CPU core a subject. The file is rewritten after each checkpoint; run it again and it goes on where it
stopped. Do so on one machine with one version: only there does a training run repeat to the bit.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from base_models.vision.likeness import ceiling
from eval.grid.run_grid import run_grid
from eval.judging.stored_grid import load_evidence, load_grid
from eval.ranking.evidence import Evidence
from eval.ranking.scores import control_identities, identities
from eval.request.checkpoints import find_checkpoints
from eval.request.spec import read_spec
from eval.store.store import open_store
from foundation.files import whole_file
from foundation.progress import terminal
from miniature.recipe.subject import SUBJECT, draw_subject
from miniature.recipe.world import Identity
from trainer.config.config import parse_config
from trainer.running.run import run_training

HERE = Path(__file__).resolve().parent.parent
WORK = HERE.parent / "runs" / "recorded"
UNET, TE, SEEDS, EPOCHS, STEPS = [0.6, 0.8, 1.0, 1.2], [0.0, 0.4, 0.8, 1.2], 12, 8, 20
PROMPTS = [
    "photo of a ohwx person, smiling, looking at viewer, red hoodie, blue background",
    "photo of a ohwx person, serious, wearing glasses, green t-shirt, white background",
    "photo of a ohwx person, eyes closed, yellow sweater, purple background",
    "photo of a ohwx person, tongue out, winking, black overalls, pink background",
    "photo of a ohwx person, sad, looking sideways, white v-neck shirt, dark background",
    "photo of a ohwx person, slight smile, wide eyes, wearing sunglasses, blue t-shirt, yellow background",
]


@dataclass(frozen=True)
class Recorded:
    """A subject, and the seeds its pictures and its training are drawn from. No model of the miniature saw it."""

    identity: Identity
    pictures_seed: int
    training_seed: int


SUBJECTS = {
    "mira": Recorded(SUBJECT, 7, 11),
    "otto": Recorded(Identity("fro", "brown", "light", "angryNatural", "moustacheMagnum"), 8, 12),
    "iris": Recorded(Identity("bun", "black", "pale", "flatNatural", None), 9, 13),
}


def trained(name: str, subject: Recorded) -> list[Path]:
    """The subject's epoch checkpoints, trained where they are not there yet."""
    folder = WORK / name
    if not (folder / "references").is_dir():
        draw_subject(folder, subject.identity, subject.pictures_seed)
    values: dict[str, object] = {
        "preset": "miniature",
        "data": {"train": "Train", "reg": "Reg"},
        "training": {"epochs": EPOCHS, "seed": subject.training_seed, "unet_lr": 1e-3},
        "output": {"folder": "checkpoints", "name": name},
    }
    with terminal() as reporter:
        run_training(parse_config(values, folder / "train.toml"), reporter)
    found = find_checkpoints([str(folder / "checkpoints" / f"{name}*.safetensors")])
    return [one.path for one in found.checkpoints]


def all_cells_of(checkpoint: Path, dtype: str, steps: int, seeds: int) -> str:
    """The specification of one checkpoint's cells, for a file in the subject's folder."""
    return f"""
[model]
base = "miniature"
device = "cpu"
dtype = "{dtype}"
[lora]
checkpoints = ["{checkpoint}"]
unet = {UNET}
te = {TE}
[sampler]
steps = {steps}
[prompts]
texts = {json.dumps(PROMPTS)}
seeds = {seeds}
trigger = "ohwx person"
class = "person"
[references]
held_out = "references"
training = "Train"
[store]
path = "eval"
"""


def rendered(name: str, checkpoint: Path) -> Evidence:
    """All cells of one checkpoint, read by the scoring models."""
    folder = WORK / name
    path = folder / "grid.toml"
    path.write_text(all_cells_of(checkpoint, "bfloat16", STEPS, SEEDS))
    with terminal() as reporter:
        outcome = run_grid(read_spec(path), reporter)
    store = open_store(outcome.store)
    try:
        return load_evidence(load_grid(store))
    finally:
        store.close()


def rows(evidence: Evidence) -> pd.DataFrame:
    """One row a picture; the base model's own pictures are the checkpoint "control" at weights 0."""
    cosines = identities(evidence)
    control = control_identities(evidence)
    prompt = np.einsum("cue,ue->cu", evidence.pictures, evidence.prompts)
    prompt_control = np.einsum("ue,ue->u", evidence.pictures_control, evidence.prompts)
    found = []
    for at, unit in enumerate(evidence.units):
        shared = {"prompt": unit.prompt, "seed": unit.seed}
        found.append(
            {"checkpoint": "control", "epoch": 0, "unet": 0.0, "te": 0.0, **shared, "identity": control[at],
             "faces": evidence.face_counts_control[at], "failed": False, "prompt_cosine": prompt_control[at]}
        )  # fmt: skip
        for row, cell in enumerate(evidence.cells):
            found.append(
                {"checkpoint": cell.checkpoint, "epoch": cell.epoch, "unet": cell.weights.unet, "te": cell.weights.te1,
                 **shared, "identity": cosines[row, at], "faces": evidence.face_counts[row, at],
                 "failed": evidence.failed[row, at], "prompt_cosine": prompt[row, at]}
            )  # fmt: skip
    types = {"epoch": "int16", "unet": "float32", "te": "float32", "seed": "int16", "identity": "float32"}
    return pd.DataFrame(found).astype({**types, "faces": "int16", "failed": "bool", "prompt_cosine": "float32"})


def facts(name: str, evidence: Evidence) -> dict[str, object]:
    """What the file says of itself."""
    return {
        "command": f"python benchmarks/recorded_grids/record.py {name}",
        "face_model": evidence.face_model,
        "clip_model": evidence.clip_model,
        "floor": float(np.nanmean(control_identities(evidence))),
        "ceiling": ceiling(evidence.references),
        "trigger": "ohwx person",
        "prompts": PROMPTS,
        "seeds": SEEDS,
        "sampler": f"Euler a, {STEPS} steps, CFG 9, bfloat16",
    }


def record(name: str) -> Path:
    """Record what is missing, checkpoint by checkpoint."""
    path = HERE / "recorded" / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    done = pd.read_parquet(path) if path.exists() else pd.DataFrame({"checkpoint": []})
    for checkpoint in trained(name, SUBJECTS[name]):
        if checkpoint.stem in set(done["checkpoint"]):
            continue
        evidence = rendered(name, checkpoint)
        fresh = rows(evidence)
        known = fresh[fresh["checkpoint"] != "control"] if len(done) else fresh
        done = pd.concat([done, known], ignore_index=True) if len(done) else known
        table = pa.Table.from_pandas(done, preserve_index=False)
        written = table.replace_schema_metadata({"lora_studio": json.dumps(facts(name, evidence))})
        with whole_file(path) as beside:
            pq.write_table(written, beside, compression="zstd")
        print(f"{path}: {checkpoint.stem} recorded", file=sys.stderr, flush=True)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subject", choices=SUBJECTS)
    print(record(parser.parse_args().subject))


if __name__ == "__main__":
    main()
