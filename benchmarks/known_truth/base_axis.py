"""A grid over two base models on the miniature: does the ranking say where a LoRA works, and what the other costs?

The sister is the miniature with the shipped subject's LoRA `first` baked in at weight -1. So the truth is planted:
on it the LoRA at weight 1 gives the miniature's own pictures back, and at 0 it has less of the subject than that. The
first base is asked for alone before both, so that half of the grid is there. The last line is one JSON object:
`winner_right`, `cost_told` (the sentence), `elsewhere` with its interval, `undone` (how far the LoRA on the sister is
from the miniature without it, at the trigger), `resumed` (pictures of the first base that were not made again),
`dry_run_right`, `pictures`, `seconds`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from eval.grid.forecast import forecast
from eval.grid.run_grid import run_grid
from eval.ranking.columns import row_as_json
from eval.ranking.scores import identities, score
from eval.ranking.verdict import verdict
from eval.reporting.ranked_grid import RankedGrid, open_ranked
from eval.request.spec import read_spec
from foundation.progress import Silent, terminal
from loras.blending.weighted_lora import WeightedLora
from loras.checkpoints.bake import BakeRequest, bake
from loras.checkpoints.checkpoint_layout import open_checkpoint
from miniature.paths import SUBJECT

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from this_machine.words import machine_in_words

SPEC = """
[model]
base = {base}
device = "cpu"
[lora]
checkpoints = ["{subject}/first.safetensors"]
unet = [0.0, 1.0]
te = [0.0]
[sampler]
steps = {steps}
[prompts]
texts = [
  "photo of a ohwx person, smiling, red hoodie, blue background",
  "photo of a ohwx person, serious, green t-shirt, white background",
  "photo of a person, sad, yellow sweater, purple background",
]
seeds = {seeds}
trigger = "ohwx person"
class = "person"
[references]
held_out = "{subject}/references"
training = "{subject}/Train"
[score]
faces = "miniature"
clip = "miniature"
[limits]
bleed = "off"  # `first` was trained without reg pictures; here the bases are asked about
[store]
path = "eval"
"""


def write_spec(folder: Path, bases: list[str], steps: int, seeds: int) -> Path:
    """A specification over these bases, in `folder`."""
    path = folder / f"{len(bases)}.toml"
    text = SPEC.format(base=json.dumps(bases), subject=SUBJECT, steps=steps, seeds=seeds)
    path.write_text(text, encoding="utf-8")
    return path


def raw_likeness(ranked: RankedGrid, base: str, unet: float) -> np.ndarray:
    """The likeness (U,) of the pictures of a base and weight, as they are."""
    cells = ranked.evidence.cells
    at = next(at for at, one in enumerate(cells) if (one.on.base, one.weights.unet) == (base, unet))
    return identities(ranked.evidence)[at]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=8)
    asked = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as made, terminal() as reporter:
        folder = Path(made)
        parent = WeightedLora.parse(f"{SUBJECT}/first.safetensors:unet=-1,te=0")
        bake(BakeRequest(open_checkpoint("miniature"), (parent,), folder / "sister", None), Silent())
        alone = run_grid(read_spec(write_spec(folder, ["miniature"], asked.steps, asked.seeds)), reporter)
        both = read_spec(write_spec(folder, ["miniature", "sister"], asked.steps, asked.seeds))
        expected = forecast(both)
        whole = run_grid(both, reporter)
        ranked = open_ranked(whole.store)
        rows, said = ranked.rows, verdict(ranked.rows, ranked.evidence, score(ranked.evidence))
    first = rows[0]
    undone, idle = raw_likeness(ranked, "sister", 1.0), raw_likeness(ranked, "miniature", 0.0)
    print(*said.all, sep="\n")
    told = {
        "winner": first.name,
        "winner_right": (first.on.base, first.unet) == ("miniature", 1.0),
        "cost_told": next((text for text in said.sentences if "the same cell" in text), ""),
        "elsewhere": row_as_json(first)["elsewhere"],
        "undone": round(float(np.nanmean(np.abs(undone - idle))), 4),
        "resumed": whole.existing == alone.rendered,
        "dry_run_right": (expected.pictures, expected.amount.pictures)
        == (whole.rendered + whole.existing, whole.rendered),
        "pictures": whole.rendered + whole.existing,
        "identities": {row.name: round(row.identity, 3) for row in rows},
        "seconds": round(time.perf_counter() - began),
        "machine": machine_in_words("no GPU"),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
