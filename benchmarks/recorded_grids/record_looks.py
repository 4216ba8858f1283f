"""Records what pictures of fewer steps show, beside a recorded grid of finished ones.

    python benchmarks/recorded_grids/record_looks.py mira (or otto, iris)

Trains the subject where `record.py` has left no checkpoints, and draws the same cells, prompts and the first three
seeds in six steps in place of twenty: the likeness of the largest face is `identity_in_6` in
`recorded/looks/SUBJECT.parquet`. In float32: on a processor without bfloat16 of its own that is five times as fast. The
file is rewritten after each checkpoint; run it again and it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from base_models.drawing.png import to_bytes
from base_models.pictures.picture_file import load_picture
from base_models.vision.face_model import FaceModel
from base_models.vision.faces import load_faces
from base_models.vision.likeness import centroid
from eval.rendering.renderer import Renderer
from eval.request.cells import CONTROL
from eval.request.plan import PlannedPicture, batches_of, make_plan
from eval.request.spec import GridSpec, read_spec
from foundation.files import whole_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recorded_grids.record import HERE, SUBJECTS, WORK, all_cells_of, trained

SEEDS, LOOK_STEPS, BATCH = 3, 6, 32
COLUMN = f"identity_in_{LOOK_STEPS}"
CLASS_PROMPT, PROMPT = "photo of a person", "photo of a ohwx person"


@dataclass(frozen=True)
class Judge:
    """The face pack, and the direction (D,) of the subject's held-out references."""

    faces: FaceModel
    subject: np.ndarray

    @classmethod
    def of(cls, references: Path) -> Judge:
        """The miniature's pack, and the pictures of a folder."""
        faces = load_faces("miniature")
        shown = [np.asarray(load_picture(path).convert("RGB")) for path in sorted(references.glob("*.png"))]
        seen = [one.embedding for one in faces.read_all(shown)]
        return cls(faces, centroid(np.array([vector for vector in seen if vector is not None])))

    def likeness(self, pictures: np.ndarray) -> list[float]:
        """Of pictures (N, H, W, 3) in 0..1 the cosine of the largest face; NaN without one."""
        seen = [one.embedding for one in self.faces.read_all([to_bytes(picture) for picture in pictures])]
        return [math.nan if vector is None else float(vector @ self.subject) for vector in seen]


def specified(name: str, checkpoint: Path) -> GridSpec:
    """All cells of one checkpoint."""
    path = WORK / name / f"looks at {checkpoint.stem}.toml"
    path.write_text(all_cells_of(checkpoint, "float32", LOOK_STEPS, SEEDS))
    return read_spec(path)


def rows(spec: GridSpec, judge: Judge, control: bool) -> pd.DataFrame:
    """One row a picture; the base model's own, where they are wanted, are the checkpoint "control" at weights 0."""
    plan = make_plan(spec)
    renderer = Renderer(spec.model, plan.sampling, _say)
    wanted = [one for one in plan if control or one.cell]
    found: list[dict[str, object]] = []
    for batch in batches_of(wanted, BATCH):
        likeness = judge.likeness(renderer.render(batch))
        found += [_who(one) | {COLUMN: cosine} for one, cosine in zip(batch.pictures, likeness, strict=True)]
        _say(f"{len(found)} of {len(wanted)}")
    types = {"epoch": "int16", "unet": "float32", "te": "float32", "seed": "int16", COLUMN: "float32"}
    return pd.DataFrame(found).astype(types)


def _who(picture: PlannedPicture) -> dict[str, object]:
    """A picture's own columns. Its prompt is the one with the trigger, for the base model too."""
    unit = {"prompt": picture.prompt.replace(CLASS_PROMPT, PROMPT), "seed": picture.seed}
    if picture.cell is None:
        return {"checkpoint": CONTROL, "epoch": 0, "unet": 0.0, "te": 0.0, **unit}
    one, weights = picture.cell.use.checkpoint, picture.cell.use.weights
    return {"checkpoint": one.name, "epoch": one.epoch, "unet": weights.unet, "te": weights.te1, **unit}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def facts(name: str) -> dict[str, object]:
    """What the file says of itself."""
    return {
        "command": f"python benchmarks/recorded_grids/record_looks.py {name}",
        "sampler": f"Euler a, {LOOK_STEPS} steps, CFG 9, float32",
    }


def record(name: str, checkpoints: Sequence[Path]) -> Path:
    """Record what is missing, checkpoint by checkpoint."""
    path = HERE / "recorded" / "looks" / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    done = pd.read_parquet(path) if path.exists() else pd.DataFrame({"checkpoint": []})
    judge = Judge.of(WORK / name / "references")
    for checkpoint in checkpoints:
        if checkpoint.stem in set(done["checkpoint"]):
            continue
        fresh = rows(specified(name, checkpoint), judge, control=not len(done))
        done = pd.concat([done, fresh], ignore_index=True) if len(done) else fresh
        table = pa.Table.from_pandas(done, preserve_index=False)
        written = table.replace_schema_metadata({"lora_studio": json.dumps(facts(name))})
        with whole_file(path) as beside:
            pq.write_table(written, beside, compression="zstd")
        _say(f"{path}: {checkpoint.stem} recorded")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subject", choices=SUBJECTS)
    name = parser.parse_args().subject
    print(record(name, trained(name, SUBJECTS[name])))


if __name__ == "__main__":
    main()
