"""Evidence as a grid would leave it, made of vectors: every cell's likeness to the subject is set, then blurred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from eval.evidence import CellFacts, Evidence, Looks, Unit
from eval.weights import Weights

FACE_SIZE = 24
CLIP_SIZE = 48
LOOK_SIZE = 30
FLOOR = 0.1


def units_of(prompts: int, seeds: int, bleed_prompts: int = 1) -> list[Unit]:
    subject = [Unit(f"ohwx person, scene {p}", seed, "subject") for p in range(prompts) for seed in range(seeds)]
    return subject + [Unit(f"a man, {p}", seed, "bleed") for p in range(bleed_prompts) for seed in range(seeds)]


def faces_at(cosines: np.ndarray, towards: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors (..., D) whose cosine with the unit vector `towards` (D,) is `cosines` (...)."""
    noise = rng.normal(size=(*cosines.shape, len(towards)))
    noise -= (noise @ towards)[..., None] * towards
    noise /= np.linalg.norm(noise, axis=-1, keepdims=True)
    return cosines[..., None] * towards + np.sqrt(1 - cosines**2)[..., None] * noise


def make_evidence(
    identities: Sequence[float],
    *,
    prompts: int = 4,
    seeds: int = 4,
    noise: float = 0.08,
    references: int = 10,
    training: int = 12,
    bleed_prompts: int = 1,
    seed: int = 0,
) -> Evidence:
    """A grid whose cell `i` has mean identity near `identities[i]`, epochs 1, 2, ... at unet=0.8,te=0.6."""
    rng = np.random.default_rng(seed)
    units = units_of(prompts, seeds, bleed_prompts)
    count, subject = len(units), np.array([unit.role == "subject" for unit in units])
    axis = np.eye(FACE_SIZE)[0]
    wanted = np.where(subject, np.asarray(identities)[:, None], FLOOR)
    blurred = np.clip(wanted + rng.normal(scale=noise, size=wanted.shape), -0.95, 0.95)
    control = np.clip(FLOOR + rng.normal(scale=noise, size=count), -0.95, 0.95)
    scenes = {
        text: vector for text, vector in zip(dict.fromkeys(u.prompt for u in units), np.eye(CLIP_SIZE), strict=False)
    }
    asked = np.stack([scenes[unit.prompt] for unit in units])
    cells = [
        CellFacts(f"cell{at:03d}", f"hina-{at + 1:06d}", at + 1, Weights.of(0.8, 0.6), "")
        for at in range(len(identities))
    ]
    return Evidence(
        cells=cells,
        units=units,
        faces=faces_at(blurred, axis, rng),
        face_counts=np.ones(wanted.shape, dtype=int),
        pictures=_near(asked[None].repeat(len(cells), 0), rng),
        failed=np.zeros(wanted.shape, dtype=bool),
        faces_control=faces_at(control, axis, rng),
        face_counts_control=np.ones(count, dtype=int),
        pictures_control=_near(asked, rng),
        prompts=asked,
        references=_mirrored(faces_at(np.full(references, 0.8), axis, rng), axis),
        training=faces_at(np.full(training, 0.8), axis, rng),
        face_model="drawn faces (0123456789ab)",
        clip_model="drawn scenes (ba9876543210)",
        looks=Looks(
            pictures=drawn_looks((len(cells), count), rng),
            control=drawn_looks((count,), rng),
            references=drawn_looks((references,), rng),
            training=drawn_looks((training,), rng),
        ),
    )


def drawn_looks(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Looks (*shape, L) of one subject in pictures that have nothing else in common: correlations near 0.64."""
    return faces_at(np.full(shape, 0.8), np.eye(LOOK_SIZE)[0], rng)


def copying(evidence: Evidence, cells: Sequence[int] | np.ndarray, units: int | None = None) -> Evidence:
    """The same where the first `units` pictures (all: None) of some cells look as training pictures do."""
    assert evidence.looks is not None
    looks = evidence.looks.pictures.copy()
    for cell in cells:
        looks[cell, :units] = np.resize(evidence.looks.training, looks[cell].shape)[:units]
    return replace(evidence, looks=replace(evidence.looks, pictures=looks))


def without_faces(evidence: Evidence, where: np.ndarray) -> Evidence:
    """The same evidence where the detector found nothing at `where` (C, U)."""
    faces = np.where(where[..., None], np.nan, evidence.faces)
    assert evidence.looks is not None
    looks = replace(evidence.looks, pictures=np.where(where[..., None], np.nan, evidence.looks.pictures))
    return replace(evidence, faces=faces, face_counts=np.where(where, 0, evidence.face_counts), looks=looks)


def of_a_teapot(evidence: Evidence) -> Evidence:
    """The same evidence of a subject without a face: likeness by CLIP, and prompts that name no person."""
    units = [
        replace(unit, prompt=unit.prompt.replace("person", "teapot").replace("a man", "a teapot"))
        for unit in evidence.units
    ]
    return replace(evidence, units=units, subject="image", face_model=evidence.clip_model)


def reordered(evidence: Evidence, order: Sequence[int]) -> Evidence:
    """The same evidence with its cells in another order (or some of them, or some twice)."""
    at = list(order)
    return replace(
        evidence,
        cells=[evidence.cells[one] for one in at],
        faces=evidence.faces[at],
        face_counts=evidence.face_counts[at],
        pictures=evidence.pictures[at],
        failed=evidence.failed[at],
        looks=evidence.looks and replace(evidence.looks, pictures=evidence.looks.pictures[at]),
    )


def _near(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    moved = vectors + rng.normal(scale=0.06, size=vectors.shape)
    return moved / np.linalg.norm(moved, axis=-1, keepdims=True)


def _mirrored(references: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Pairs that cancel off the axis, so that the centroid is the axis and cosines are exactly what was asked for."""
    half = references[: len(references) // 2]
    odd = references[len(references) // 2 * 2 :]
    centre = np.broadcast_to(axis, odd.shape)
    return np.concatenate([half, 2 * (half @ axis)[:, None] * axis - half, centre])
