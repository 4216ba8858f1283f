"""Training pictures that become references: spread over what the subject looks like, and moved where that is asked."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from base_models.drawing.png import read_picture
from base_models.pictures.near_duplicates import Sketch, same_pictures, sketch
from base_models.pictures.picture_file import UnreadablePictureError
from base_models.vision.face_model import FaceModel
from trainer.data.dataset import Dataset, Sample
from trainer.starting.request import HoldOutError
from trainer.starting.subject_facts import captions_of

ODD_SHARE = 0.1  # of the pictures, those least like the rest, which may be of somebody else
SIDE = 8  # of the grey thumbnails that stand for pictures where no face is looked for


def choose_held_out(dataset: Dataset, count: int, faces: FaceModel | None) -> list[Sample]:
    """`count` of the training pictures, each as far from the others as can be: angles and light, near and far.

    Left out are pictures of which another is a changed copy, and the oddest tenth; by faces also those that show none,
    or several. Raises HoldOutError where too few are left to train on or to choose from.
    """
    if count < 1 or 2 * count > len(dataset.train):
        raise HoldOutError(
            f"--hold-out {count}: of {len(dataset.train)} training pictures between 1 and {len(dataset.train) // 2} "
            "can be held out"
        )
    seen = [(one, vector) for one in dataset.train if (vector := _vector(one.path, faces)) is not None]
    alone = _without_twins([one for one, _ in seen])
    listed = [(one, vector) for at, (one, vector) in enumerate(seen) if at in alone]
    if len(listed) < count:
        fit = "one face, and no copy of it elsewhere" if faces else "no copy of it elsewhere"
        raise HoldOutError(
            f"--hold-out {count}: of {len(dataset.train)} training pictures only {len(listed)} are fit for it ({fit}); "
            "hold out fewer, or name other pictures with --references"
        )
    vectors = np.array([vector for _, vector in listed])
    return [listed[at][0] for at in sorted(spread(vectors, count))]


def spread(vectors: np.ndarray, count: int) -> list[int]:
    """Rows of unit vectors (N, D): the middlemost, then again and again the one farthest from those chosen."""
    to_middle = vectors @ vectors.mean(0)
    usual = np.argsort(-to_middle)[: max(count, round(len(vectors) * (1 - ODD_SHARE)))]
    chosen = [int(usual[0])]
    while len(chosen) < count:
        nearest = (vectors[usual] @ vectors[chosen].T).max(1)
        nearest[np.isin(usual, chosen)] = np.inf
        chosen.append(int(usual[int(nearest.argmin())]))
    return chosen


def places_for(samples: Sequence[Sample], folder: Path) -> dict[Path, Path]:
    """Where the pictures and their captions would lie in `folder`. Raises HoldOutError for a place that is taken."""
    places: dict[Path, Path] = {}
    for sample in samples:
        taken = sample.path.name in {place.name for place in places.values()}
        name = f"{sample.folder} {sample.path.stem}" if taken else sample.path.stem
        for path in (sample.path, *captions_of(sample.path)):
            places[path] = folder / f"{name}{path.suffix}"
    there = [place for place in places.values() if place.exists()]
    if there or len(set(places.values())) < len(places):
        raise HoldOutError(f"{(there or [folder])[0]}: there already; empty {folder}, or name it with --references")
    return places


def move(places: dict[Path, Path]) -> None:
    """Move each to its place."""
    for path, place in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, place)


def _vector(path: Path, faces: FaceModel | None) -> np.ndarray | None:
    """What stands for the picture, of length 1; None where it is not fit."""
    try:
        picture = read_picture(path)
    except UnreadablePictureError:
        return None
    if faces is not None:
        found = faces.read(picture)
        return found.embedding if found.count == 1 else None
    height, width = picture.shape[:2]
    rows = np.linspace(0, height - 1, SIDE, dtype=np.intp)
    columns = np.linspace(0, width - 1, SIDE, dtype=np.intp)
    small = picture[rows][:, columns].mean(-1).reshape(-1)
    small = small - small.mean()
    length = float(np.linalg.norm(small))
    return small / length if length else None


def _without_twins(samples: Sequence[Sample]) -> set[int]:
    sketches: list[Sketch] = [sketch(one.path) for one in samples]
    pairs = same_pictures(sketches, sketches)
    return set(range(len(samples))) - {at for pair in pairs if pair[0] != pair[1] for at in pair}
