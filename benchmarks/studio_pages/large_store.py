"""A store as a grid of 2,000 cells and 100,000 pictures leaves it: tiny pictures, made-up vectors of true sizes.

Everything goes through the store's own writers. Made anew, it takes minutes; one that is there is used again.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from base_models.vision.appearance import SIZE as LOOK_SIZE
from eval.judging.grid_record import GridRecord, UnitRecord, cell_record
from eval.judging.judge_facts import appearance_key
from eval.judging.stored_grid import KEY, Grid
from eval.request.cells import Cell, Checkpoint, Sampling, Use
from eval.store.connection import FILE_NAME
from eval.store.store import Store, create_store
from eval.store.tables import PictureRow, Reading
from loras.weights import Weights

FACES, CLIP = "f" * 64, "c" * 64
VECTOR = 512  # as insightface's and ViT-B/32's
SIDE = 64
FLOOR, CEILING = 0.12, 0.85
CHUNK = 2000
UNET, TE = (0.4, 0.6, 0.8, 1.0, 1.2), (0.0, 0.25, 0.5, 0.75, 1.0)
MOODS = (
    "smiling",
    "serious",
    "laughing",
    "looking away",
    "at night",
    "in rain",
    "by a lake",
    "at work",
    "running",
    "old",
)


@dataclass(frozen=True)
class Size:
    """How many checkpoints, each of 50 cells (weights of UNet and text encoder, alone and blended), and seeds."""

    checkpoints: int = 40
    seeds: int = 4


def write_large_store(folder: Path, size: Size | None = None) -> Path:
    """Write the store to `folder`, unless it is there; return the folder."""
    size = size or Size()
    if (folder / FILE_NAME).is_file() and (folder / "whole").is_file():
        return folder
    # A made-up store may be lost with the power: waiting for the disk at every picture would take most of the time.
    os.fsync = lambda fd: None
    store = create_store(folder)
    try:
        record = _record(_cells(folder, size), _units(size))
        _fill(Grid(store, record, _cells(folder, size)))
        store.set_fact(KEY, record.model_dump(mode="json"))
    finally:
        store.close()
    (folder / "whole").touch()
    return folder


def _cells(folder: Path, size: Size) -> list[Cell]:
    files = [
        Checkpoint(
            folder / f"hina-{epoch:06d}.safetensors",
            f"hina-{epoch:06d}",
            hashlib.sha256(b"%d" % epoch).hexdigest(),
            epoch,
        )
        for epoch in range(1, size.checkpoints + 1)
    ]
    style = Use(Checkpoint(folder / "style.safetensors", "style", "5" * 64, None), Weights.of(0.3, 0.2))
    return [
        Cell(Use(one, Weights.of(unet, te)), also, "float16")
        for one, also, unet, te in product(files, ((), (style,)), UNET, TE)
    ]


def _units(size: Size) -> list[UnitRecord]:
    asked = [(f"photo of a ohwx woman, {mood}", f"photo of a woman, {mood}", "subject", size.seeds) for mood in MOODS]
    others = [(f"photo of a man, {mood}", f"photo of a man, {mood}", "bleed", size.seeds // 2) for mood in MOODS[:5]]
    return [
        UnitRecord(prompt=prompt, class_prompt=class_prompt, seed=seed, role=role)
        for prompt, class_prompt, role, seeds in asked + others
        for seed in range(1, seeds + 1)
    ]


def _record(cells: list[Cell], units: list[UnitRecord]) -> GridRecord:
    return GridRecord(
        base_name="made-up",
        sampling=asdict(Sampling("ba5e" * 16, "float32", "euler_a", 30, 9.0, SIDE, SIDE, 1, "")),
        trigger="ohwx",
        class_word="woman",
        units=units,
        cells=[cell_record(cell) for cell in cells],
        references=[f"reference {at}" for at in range(12)],
        training=[f"training {at}" for at in range(24)],
        face_model="made-up faces",
        face_sha256=FACES,
        clip_model="made-up scenes",
        clip_sha256=CLIP,
        licences={},
    )


def _fill(grid: Grid) -> None:
    rng, store, record = np.random.default_rng(7), grid.store, grid.snapshot
    axis = np.eye(VECTOR, dtype=np.float32)[0]
    texts = list(dict.fromkeys(unit.class_prompt for unit in record.units))
    scenes = dict(zip(texts, np.eye(VECTOR, dtype=np.float32), strict=False))
    _write_known(store, record, axis, scenes, rng)
    shelf: list[tuple[Cell | None, UnitRecord]] = []
    began, done = time.monotonic(), 0
    for pair in _pictures(grid):
        shelf.append(pair)
        if len(shelf) == CHUNK:
            _write(grid, shelf, axis, scenes, rng)
            done, shelf = done + len(shelf), []
            print(f"{done} pictures, {time.monotonic() - began:.0f} s", file=sys.stderr)
    _write(grid, shelf, axis, scenes, rng)


def _pictures(grid: Grid) -> Iterator[tuple[Cell | None, UnitRecord]]:
    for cell in (None, *grid.cells):
        yield from ((cell, unit) for unit in grid.snapshot.units)


def _write_known(
    store: Store, record: GridRecord, axis: np.ndarray, scenes: dict[str, np.ndarray], rng: np.random.Generator
) -> None:
    known = [*record.references, *record.training]
    store.add_readings(
        FACES, dict(zip(known, map(Reading, _towards(np.full(len(known), CEILING), axis, rng)), strict=True))
    )
    looks = _towards(np.full(len(known), 0.8), np.eye(LOOK_SIZE, dtype=np.float32)[0], rng)
    store.add_readings(appearance_key(FACES), dict(zip(known, map(Reading, looks), strict=True)))
    store.add_readings(CLIP, {text: Reading(vector) for text, vector in scenes.items()})


def _write(
    grid: Grid,
    pairs: list[tuple[Cell | None, UnitRecord]],
    axis: np.ndarray,
    scenes: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> None:
    """Pictures and readings of a chunk, in one transaction."""
    ids = [grid.picture_id(cell, unit) for cell, unit in pairs]
    wanted = np.array([_likeness(cell, unit) for cell, unit in pairs]) + rng.normal(scale=0.06, size=len(pairs))
    faces = _towards(np.clip(wanted, -0.9, 0.95), axis, rng)
    looks = _towards(np.full(len(pairs), 0.6), np.eye(LOOK_SIZE, dtype=np.float32)[0], rng)
    seen = np.stack([scenes[unit.class_prompt] for _, unit in pairs]) + rng.normal(
        scale=0.02, size=(len(pairs), VECTOR)
    ).astype(np.float32)
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    rows = [_row(grid, one, *pair, rng) for one, pair in zip(ids, pairs, strict=True)]
    grid.store.add_pictures(
        rows,
        {
            FACES: dict(zip(ids, map(Reading, faces), strict=True)),
            appearance_key(FACES): dict(zip(ids, map(Reading, looks), strict=True)),
            CLIP: dict(zip(ids, map(Reading, seen), strict=True)),
        },
    )


def _row(grid: Grid, one: str, cell: Cell | None, unit: UnitRecord, rng: np.random.Generator) -> PictureRow:
    colours = Image.fromarray(rng.integers(0, 256, size=(4, 4, 3), dtype=np.uint8))
    stream = io.BytesIO()
    colours.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(stream, "PNG", compress_level=1)
    png = stream.getvalue()
    grid.store.pictures.write(one, png)
    stamp = grid.store.pictures.stamp(one)
    prompt = unit.prompt if cell else unit.class_prompt
    return PictureRow(
        id=one,
        cell=cell.id if cell else "control",
        prompt=prompt,
        seed=unit.seed,
        failure=None,
        sha256=hashlib.sha256(png).hexdigest(),
        size=len(png),
        changed=stamp and stamp.changed,
    )


def _likeness(cell: Cell | None, unit: UnitRecord) -> float:
    """Grows with epochs and weights up to the 30th epoch."""
    if cell is None:
        return FLOOR
    if unit.role == "bleed":
        return FLOOR + 0.01
    weights, epoch = cell.use.weights, cell.use.checkpoint.epoch or 0
    trained = min(1.0, epoch / 30) - max(0.0, epoch - 30) * 0.02
    return FLOOR + 0.6 * trained * min(1.0, weights.unet) * (0.8 + 0.2 * weights.te1)


def _towards(cosines: np.ndarray, axis: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors (N, D) whose cosine with `axis` (D,) is `cosines` (N,)."""
    noise = rng.normal(size=(len(cosines), len(axis))).astype(np.float32)
    noise -= (noise @ axis)[:, None] * axis
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return (cosines[:, None] * axis + np.sqrt(1 - cosines**2)[:, None] * noise).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkpoints", type=int, default=Size().checkpoints, help="50 cells each")
    arguments = parser.parse_args()
    print(write_large_store(arguments.folder, Size(arguments.checkpoints)))


if __name__ == "__main__":
    main()
