"""A store as a finished grid would leave it, made in a second or two: drawn people, set likenesses, real LoRA files."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from synthetic_evidence import FACE_SIZE, drawn_looks, faces_at

from eval.cells import Cell, Checkpoint, Sampling, Use
from eval.judges import looks_key
from eval.parameters import parameters_text
from eval.plan import PlannedPicture
from eval.snapshot import KEY, CellRecord, Grid, Snapshot, UnitRecord, UseRecord
from eval.store import PictureRow, Reading, Store, create_store
from eval.weights import Weights
from miniature.recipe.draw import PIXELS, draw_person
from miniature.recipe.world import CLASS_WORD, NAMED, TRIGGER, Identity, draw_identity, draw_scene
from trainer.drawing.png import failure_of, png_of
from trainer.files import sha256_of
from trainer.lora_file import LoraFile, LoraModule, write_lora

FACES, CLIP = "f" * 64, "c" * 64
SUBJECT = NAMED["tessa"]
AXIS = np.eye(FACE_SIZE, dtype=np.float32)[0]
FLOOR, CEILING = 0.12, 0.85
PROMPTS = ("photo of a {}, smiling, blue hoodie", "photo of a {}, sunglasses, red t-shirt, dark background")
OTHERS = ("photo of a person, black short hair, short beard",)


@dataclass(frozen=True)
class Size:
    """How much of a store to make."""

    epochs: tuple[int, ...] = (2, 4, 6)
    unet: tuple[float, ...] = (0.6, 1.0)
    te: tuple[float, ...] = (0.5, 1.0)
    seeds: int = 3


def write_store(folder: Path, size: Size | None = None) -> Path:
    """Write checkpoints to `folder`/lora and a store to `folder`/eval; return the store's folder.

    The checkpoint before the last is the best; the last is overcooked: it bleeds, copies and loses faces. One picture
    is black, one shows no face, one file is missing.
    """
    size = size or Size()
    store = create_store(folder / "eval")
    try:
        snapshot = _snapshot(_cells(folder / "lora", size), _units(size.seeds))
        _fill(store, snapshot, size)
        store.set_fact(KEY, snapshot.model_dump(mode="json"))
    finally:
        store.close()
    return folder / "eval"


def _cells(folder: Path, size: Size) -> list[Cell]:
    checkpoints = [_checkpoint(folder / f"tessa-{epoch:06d}.safetensors", epoch) for epoch in size.epochs]
    first = Use(_checkpoint(folder / "first_try.safetensors", 10), Weights.of(0.3, 0.2))
    weights = [Weights.of(unet, te) for te, unet in product(size.te, size.unet)]
    alone = [Cell(Use(one, at), (), "float16") for one in checkpoints for at in weights]
    return alone + [Cell(Use(checkpoints[-2], at), (first,), "float16") for at in weights]


def _checkpoint(path: Path, epoch: int) -> Checkpoint:
    rng = torch.Generator().manual_seed(epoch)
    names = ("lora_unet_mid_block_attentions_0_proj_in", "lora_te_text_model_encoder_layers_0_mlp_fc1")
    modules = {
        name: LoraModule(torch.randn(4, 32, generator=rng), torch.randn(32, 4, generator=rng), 2.0) for name in names
    }
    write_lora(LoraFile(modules, {"ss_epoch": str(epoch), "ss_steps": str(100 * epoch)}), path)
    return Checkpoint(path, path.stem, sha256_of(path), epoch)


def _units(seeds: int) -> list[UnitRecord]:
    subject = [(text.format(TRIGGER), text.format(CLASS_WORD), "subject") for text in PROMPTS]
    others = [(text, text, "bleed") for text in OTHERS]
    return [
        UnitRecord(prompt=prompt, class_prompt=class_prompt, seed=seed, role=role)
        for prompt, class_prompt, role in subject + others
        for seed in range(1, seeds + 1)
    ]


def _snapshot(cells: list[Cell], units: list[UnitRecord]) -> Snapshot:
    sampling = Sampling("ba5e" * 16, "float32", "euler_a", 30, 9.0, PIXELS, PIXELS, 1, "")
    return Snapshot(
        base_name="drawn",
        sampling=asdict(sampling),
        trigger=TRIGGER,
        class_word=CLASS_WORD,
        units=units,
        cells=[CellRecord(uses=[_use(use) for use in cell.uses], dtype=cell.dtype) for cell in cells],
        references=[f"reference {at}" for at in range(10)],
        training=[f"training {at}" for at in range(12)],
        face_model="drawn faces",
        face_sha256=FACES,
        clip_model="drawn scenes",
        clip_sha256=CLIP,
        licences={"drawn faces": "Apache-2.0"},
    )


def _use(use: Use) -> UseRecord:
    one = use.checkpoint
    return UseRecord(path=str(one.path), name=one.name, sha256=one.sha256, epoch=one.epoch, **asdict(use.weights))


def _fill(store: Store, snapshot: Snapshot, size: Size) -> None:
    """Draw every picture and set what the models would have read from it."""
    rng = np.random.default_rng(5)
    cells = [
        Cell(
            Use(Checkpoint(Path(u.path), u.name, u.sha256, u.epoch), Weights(u.unet, u.te1, u.te2)),
            tuple(
                Use(Checkpoint(Path(o.path), o.name, o.sha256, o.epoch), Weights(o.unet, o.te1, o.te2)) for o in also
            ),
            record.dtype,
        )
        for record in snapshot.cells
        for u, *also in [record.uses]
    ]
    grid = Grid(store, snapshot, cells)
    faces: dict[str, Reading] = {}
    clip: dict[str, Reading] = {}
    looks: dict[str, Reading] = {}
    rows: list[PictureRow] = []
    scenes = {
        text: np.eye(16, dtype=np.float32)[at] for at, text in enumerate({u.class_prompt: 0 for u in snapshot.units})
    }
    for cell in (None, *cells):
        for at, unit in enumerate(snapshot.units):
            cosine = float(np.clip(_likeness(cell, unit, size) + rng.normal(scale=0.05), -0.9, 0.95))
            text = unit.prompt if cell else unit.class_prompt
            one = PlannedPicture(grid.picture_id(cell, unit), cell, text, unit.seed)
            pixels = _draw(cosine, unit, at)
            faceless, black = _odd(cell, at, size)
            pixels = pixels * 0 if black else pixels
            store.pictures.write(one.id, png_of(pixels, parameters_text(grid.sampling, "drawn", cell, one)))
            rows.append(
                PictureRow(
                    id=one.id,
                    cell=cell.id if cell else "control",
                    prompt=one.prompt,
                    seed=one.seed,
                    failure=failure_of(pixels),
                )
            )
            faces[one.id] = Reading(None, 0) if faceless or black else Reading(_face(cosine, rng), 1)
            looks[one.id] = Reading(None if faceless or black else drawn_looks((), rng).astype(np.float32))
            clip[one.id] = Reading(_near(scenes[unit.class_prompt], 0.3 if _overcooked(cell, size) else 0.1, rng))
    for name in (*snapshot.references, *snapshot.training):
        faces[name] = Reading(_face(CEILING, rng))
        looks[name] = Reading(drawn_looks((), rng).astype(np.float32))
    clip |= {text: Reading(vector) for text, vector in scenes.items()}
    store.add_pictures(rows)
    store.add_readings(FACES, faces)
    store.add_readings(looks_key(FACES), looks)
    store.add_readings(CLIP, clip)
    grid.picture_path(cells[0], snapshot.units[0]).unlink()


def _overcooked(cell: Cell | None, size: Size) -> bool:
    return cell is not None and cell.use.checkpoint.epoch == size.epochs[-1]


def _likeness(cell: Cell | None, unit: UnitRecord, size: Size) -> float:
    """Grows with the epochs and the weights, is best before the last epoch, and spills over in the last."""
    if cell is None:
        return FLOOR
    weights, epoch = cell.use.weights, cell.use.checkpoint.epoch or 0
    strength = weights.unet * (0.8 + 0.2 * weights.te1)
    if unit.role == "bleed":
        return FLOOR + (0.45 * strength if _overcooked(cell, size) else 0.02)
    trained = 0.72 if _overcooked(cell, size) else min(1.0, epoch / size.epochs[-2])
    return FLOOR + (0.6 + 0.03 * len(cell.also)) * strength * trained


def _odd(cell: Cell | None, at: int, size: Size) -> tuple[bool, bool]:
    """Whether the picture shows no face, and whether it is black."""
    if cell is None or not _overcooked(cell, size) or cell.use.weights.unet < size.unet[-1]:
        return False, False
    return at in (0, 3), at == 1


def _draw(cosine: float, unit: UnitRecord, at: int) -> np.ndarray:
    """A person who shares as many traits with the subject as the likeness says."""
    other = draw_identity(random.Random(at))
    traits = random.Random(at + 100)
    share = (cosine - FLOOR) / (CEILING - FLOOR - 0.1)
    taken = {name: value for name, value in asdict(SUBJECT).items() if traits.random() < share}
    mixed: Identity = replace(other, **taken)
    scene = draw_scene(random.Random(1000 * unit.seed + len(unit.class_prompt)))
    return draw_person(mixed, scene).pixels.astype(np.float32) / 255


def _face(cosine: float, rng: np.random.Generator) -> np.ndarray:
    return faces_at(np.array(cosine), AXIS, rng).astype(np.float32)


def _near(vector: np.ndarray, blur: float, rng: np.random.Generator) -> np.ndarray:
    moved = vector + rng.normal(scale=blur, size=vector.shape)
    return (moved / np.linalg.norm(moved)).astype(np.float32)
