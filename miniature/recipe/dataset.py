"""The drawn training set: pictures, captions, identities, faces. Drawn once, then read from the work folder."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from miniature.recipe.draw import draw_other, draw_person
from miniature.recipe.world import (
    CLASS_WORD,
    NAMED,
    Identity,
    Scene,
    caption,
    draw_identity_where,
    draw_scene,
    loose_caption,
)

GROUPS = 480  # groups of pictures, each drawn from a seed of its own, so that drawing is parallel and repeatable
PEOPLE, SCENES, NAMED_PICTURES, OTHERS = 12, 4, 2, 4


@dataclass(frozen=True)
class Drawn:
    """`pixels` (N, 64, 64, 3) uint8; `boxes` (N, 4) and `landmarks` (N, 5, 2), NaN where nobody is.

    `captions[i]` is [the whole truth, a loose form, another loose form]; `people[i]` is None where nobody is.
    """

    pixels: np.ndarray
    boxes: np.ndarray
    landmarks: np.ndarray
    captions: list[list[str]]
    people: list[dict[str, object] | None]


def _person(who: str, identity: Identity, scene: Scene, rng: random.Random) -> tuple[object, ...]:
    drawing = draw_person(identity, scene)
    truth = [*identity.words(), *scene.words()] if who == CLASS_WORD else scene.words()
    told = identity if who == CLASS_WORD else None
    captions = [caption(who, truth), *(loose_caption(who, told, scene, rng) for _ in range(2))]
    return drawing.pixels, drawing.box, drawing.landmarks, captions, asdict(identity)


def _draw_group(group: int) -> list[tuple[object, ...]]:
    rng = random.Random(1_000_003 * group + 17)
    rows: list[tuple[object, ...]] = []
    for _ in range(PEOPLE):
        identity = draw_identity_where(rng, held_out=False)
        rows += [_person(CLASS_WORD, identity, draw_scene(rng), rng) for _ in range(SCENES)]
    for _ in range(NAMED_PICTURES):
        name = rng.choice(list(NAMED))
        rows.append(_person(name, NAMED[name], draw_scene(rng), rng))
    for _ in range(OTHERS):
        drawing, words = draw_other(rng)
        rows.append((drawing.pixels, np.full(4, np.nan), np.full((5, 2), np.nan), [words] * 3, None))
    return rows


def load_drawn(work: Path) -> Drawn:
    """Read the training set, drawing it first (some minutes) if it is not in `work` yet."""
    arrays, words = work / "drawn.npz", work / "drawn.json"
    if not (arrays.exists() and words.exists()):
        work.mkdir(parents=True, exist_ok=True)
        rows: list[tuple[object, ...]] = []
        with Pool() as pool:
            for number, group in enumerate(pool.imap(_draw_group, range(GROUPS)), 1):
                rows += group
                if number % 40 == 0:
                    print(f"drawing: {number} of {GROUPS} groups", flush=True)
        pixels, boxes, landmarks, captions, people = zip(*rows, strict=True)
        words.write_text(json.dumps({"captions": captions, "people": people}))
        partial = work / "drawn.partial.npz"
        np.savez(partial, pixels=np.stack(pixels), boxes=np.stack(boxes), landmarks=np.stack(landmarks))
        partial.rename(arrays)
    loaded, told = np.load(arrays), json.loads(words.read_text())
    return Drawn(loaded["pixels"], loaded["boxes"], loaded["landmarks"], told["captions"], told["people"])
