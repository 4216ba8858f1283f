"""Makes what is judged: draws, trains, renders, has every picture read by the face pack and by the judge.

One row a picture: what the face pack saw (its embedding, and the face's look), what the judge saw (five places in
ATTRIBUTES). Scores are not kept but computed anew from the rows, so that they are always those of the code at hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from base_models.drawing.png import read_picture
from eval.grid.run_grid import run_grid
from eval.judging.judge_facts import appearance_key
from eval.judging.stored_grid import Grid, load_evidence, load_grid
from eval.ranking.evidence import Evidence
from eval.request.spec import read_spec
from eval.store.store import open_store
from foundation.files import sha256_of, whole_file
from foundation.progress import Reporter
from known_truth.attributes import ATTRIBUTES
from known_truth.cases import COPY, Sheet, case_of, draw_pictures
from known_truth.judge import Judge, read_attributes
from known_truth.rows import CONTROL, REFERENCE, TRAINING, packed
from miniature.recipe.world import CLASS_WORD, TRIGGER
from trainer.running.run import run_training

SPEC = """
[model]
base = "miniature"
device = "cpu"
dtype = "bfloat16"
[lora]
checkpoints = {checkpoints}
unet = {unet}
te = {te}
[sampler]
steps = 20
[prompts]
texts = {prompts}
seeds = {seeds}
trigger = "{trigger}"
class = "{class_word}"
[references]
held_out = "references"
training = "Train"
# Of twenty people's drawn pictures, a reference is by chance nearly one that was trained on.
allow_trained = true
[store]
path = "../store"
"""


def record_sheet(sheet: Sheet, work: Path, judge: Judge, reporter: Reporter) -> Path:
    """The sheet's rows as a Parquet file below `work`, made if it is not there. Goes on where it was stopped."""
    path = work / f"{sheet.name}.parquet"
    if not path.exists():
        folder = work / sheet.folder
        draw_pictures(folder, sheet.subject)
        for kind in sheet.kinds:
            run_training(case_of(kind, sheet.subject).config(folder), reporter)
        found = _rendered(sheet, folder, judge, reporter)
        with whole_file(path) as beside:
            found.to_parquet(beside, compression="zstd", index=False)
    return path


def _rendered(sheet: Sheet, folder: Path, judge: Judge, reporter: Reporter) -> pd.DataFrame:
    names = [case_of(kind, sheet.subject).name for kind in sheet.kinds]
    spec = folder / f"{sheet.name}.toml"
    spec.write_text(
        SPEC.format(
            checkpoints=json.dumps([f"loras/{name}.safetensors" for name in names]),
            unet=list(sheet.unet),
            te=list(sheet.te),
            prompts=json.dumps(list(sheet.prompts)),
            seeds=sheet.seeds,
            trigger=TRIGGER,
            class_word=CLASS_WORD,
        ),
        encoding="utf-8",
    )
    store = open_store(run_grid(read_spec(spec), reporter).store)
    try:
        grid = load_grid(store)
        rows = [*_pictures(grid, load_evidence(grid), judge), *_known_pictures(grid, folder)]
    finally:
        store.close()
    return pd.DataFrame(rows).assign(sheet=sheet.name, subject=sheet.subject)


def _pictures(grid: Grid, evidence: Evidence, judge: Judge) -> Iterator[dict[str, object]]:
    """A row a rendered picture: the control's first."""
    units = grid.snapshot.units
    assert evidence.looks is not None
    for row, cell in enumerate([None, *grid.cells]):
        at = row - 1
        faces = evidence.faces[at] if cell else evidence.faces_control
        counts = evidence.face_counts[at] if cell else evidence.face_counts_control
        looks = evidence.looks.pictures[at] if cell else evidence.looks.control
        pixels = np.stack([read_picture(grid.picture_path(cell, unit)) for unit in units])
        read = read_attributes(judge, pixels)
        for number, unit in enumerate(evidence.units):
            yield {
                "case": evidence.cells[at].checkpoint if cell else CONTROL,
                "unet": cell.use.weights.unet if cell else 0.0,
                "te": cell.use.weights.te1 if cell else 0.0,
                "prompt": unit.prompt,
                "seed": unit.seed,
                "role": unit.role,
                "failed": bool(evidence.failed[at, number]) if cell else False,
                "faces": int(counts[number]),
                "face": packed(faces[number]),
                "look": packed(looks[number]),
                **dict(zip(ATTRIBUTES, read[number].tolist(), strict=True)),
            }


def _known_pictures(grid: Grid, folder: Path) -> Iterator[dict[str, object]]:
    """A row a drawn picture of the subject. The one that `copy` repeats has that as its case."""
    repeated = {sha256_of(path) for path in (folder / "One").rglob("*.png")}
    readings = grid.store.readings(grid.snapshot.face_sha256)
    looks = grid.store.readings(appearance_key(grid.snapshot.face_sha256))
    for role, names in ((REFERENCE, grid.snapshot.references), (TRAINING, grid.snapshot.training)):
        for name in names:
            reading, look = readings[name], looks[name].vector
            case = COPY if name in repeated else ""
            yield {
                "case": case,
                "prompt": "",
                "role": role,
                "failed": False,
                "faces": reading.count,
                "face": None if reading.vector is None else packed(reading.vector),
                "look": None if look is None else packed(look),
            }
