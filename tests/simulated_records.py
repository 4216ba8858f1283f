"""Records of grids that were never rendered, in the form of recorded ones, with a truth that is known.

Likeness rises and falls smoothly over epoch and weights. What one (prompt, seed) does to a picture is partly the same
for all arms, partly alike for neighbouring ones, as in recorded grids: neighbours err together.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

REACH = np.array([3.5, 0.35, 0.9])  # how far in epochs, UNet and TEnc weight neighbours err together
UNIT_SD, SHARED_SD, OWN_SD = 0.13, 0.10, 0.04
FLOOR, FLAT = 0.2, 0.5


@dataclass(frozen=True)
class Size:
    """How much of a record to make."""

    epochs: int = 8
    unet: tuple[float, ...] = (0.6, 0.8, 1.0, 1.2)
    te: tuple[float, ...] = (0.0, 0.4, 0.8, 1.2)
    prompts: int = 6
    seeds: int = 12


def coordinates_of(size: Size) -> np.ndarray:
    """(A, 3) epoch, UNet and TEnc weight."""
    return np.array(list(product(range(1, size.epochs + 1), size.unet, size.te)), dtype=float)


def likeness(coordinates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The truth (A,): a hill whose top lies somewhere in the grid's upper half, and a little roughness."""
    low, high = coordinates.min(0), coordinates.max(0)
    place = (coordinates - low) / np.maximum(high - low, 1e-9)
    top = rng.uniform(0.45, 0.9, size=3)
    hill = ((place - top) ** 2 * np.array([0.15, 0.45, 0.2])).sum(1)
    return 0.8 - hill + rng.normal(scale=0.006, size=len(place))


def scores_of(size: Size, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The truth (A,) and what is seen of it, (A, P, S)."""
    coordinates = coordinates_of(size)
    truth = likeness(coordinates, rng)
    apart = ((coordinates[:, None] - coordinates) / REACH) ** 2
    root = np.linalg.cholesky(np.exp(-0.5 * apart.sum(-1)) + 1e-8 * np.eye(len(truth)))
    shape = (len(truth), size.prompts * size.seeds)
    seen = truth[:, None] + rng.normal(scale=UNIT_SD, size=shape[1])
    seen = seen + SHARED_SD * (root @ rng.normal(size=shape)) + rng.normal(scale=OWN_SD, size=shape)
    return truth, np.clip(seen, -0.9, 0.98).reshape(-1, size.prompts, size.seeds)


def write_record(path: Path, size: Size, seed: int, unfinished: bool = False) -> np.ndarray:
    """Write a record and return its scores (A, P, S) as they count, at the floor at least.

    `unfinished`: the last checkpoint lacks half of its pictures.
    """
    rng = np.random.default_rng(seed)
    _, scores = scores_of(size, rng)
    rows = [
        {"checkpoint": "control", "epoch": 0, "unet": 0.0, "te": 0.0, "prompt": p, "seed": s, "identity": FLOOR}
        for p, s in product(range(size.prompts), range(1, size.seeds + 1))
    ]
    for arm, (epoch, unet, te) in enumerate(coordinates_of(size)):
        here = {"checkpoint": f"sim-{int(epoch):06d}", "epoch": int(epoch), "unet": unet, "te": te}
        seeds = size.seeds // 2 if unfinished and epoch == size.epochs else size.seeds
        for p, s in product(range(size.prompts), range(seeds)):
            rows.append({**here, "prompt": p, "seed": s + 1, "identity": scores[arm, p, s]})
    frame = pd.DataFrame(rows).assign(faces=1, failed=False, prompt_cosine=FLAT)
    facts = {"lora_studio": json.dumps({"command": "simulated", "floor": FLOOR, "ceiling": 0.95})}
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(facts), path)
    return np.maximum(scores, FLOOR)
