"""Draws the shipped subject, a person no model of the miniature saw: training set, reg pictures, references."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

from PIL import Image

from miniature.recipe.draw import draw_person
from miniature.recipe.world import (
    CLASS_WORD,
    TRIGGER,
    Identity,
    Scene,
    caption,
    draw_identity_where,
    draw_scene,
    is_held_out,
)

SUBJECT = Identity("curly", "auburn", "tan", "sadConcernedNatural", None)
TRAINING, REFERENCES, REG = 24, 16, 48


def draw_subject(folder: Path, identity: Identity = SUBJECT, seed: int = 7) -> None:
    """Write `Train/`, `Reg/` in kohya's layout, and `references/`, all with captions. Scenes are all different.

    Raises ValueError for an identity that the models were trained on.
    """
    if not is_held_out(identity):
        raise ValueError(f"{identity} is among those the miniature's models were trained on")
    rng = random.Random(seed)
    for part in ("Train", "Reg", "references"):
        shutil.rmtree(folder / part, ignore_errors=True)
    faces, bodies = folder / "Train" / f"7_{TRIGGER}", folder / "Train" / f"4_{TRIGGER} far"
    for number in range(TRAINING):
        scene = draw_scene(rng)
        near = number < TRAINING - 2
        _write(faces if near else bodies, number, identity, scene if near else _far(scene), TRIGGER)
    for number in range(REFERENCES):
        _write(folder / "references", number, identity, draw_scene(rng), TRIGGER)
    for number in range(REG):
        other = draw_identity_where(rng, held_out=False)
        _write(folder / "Reg" / f"1_{CLASS_WORD}", number, other, draw_scene(rng), CLASS_WORD)


def _far(scene: Scene) -> Scene:
    """The same scene from further away: a training set holds a few of these."""
    return replace(scene, scale=0.8)


def _write(folder: Path, number: int, identity: Identity, scene: Scene, who: str) -> None:
    """A picture and its caption; the subject's own looks are left out, so that the trigger has to carry them."""
    path = folder / f"{number:02}.png"
    _write_picture(path, identity, scene)
    looks = identity.words() if who == CLASS_WORD else []
    path.with_suffix(".txt").write_text(caption(who, [*looks, *scene.words()]) + "\n", encoding="utf-8")


def _write_picture(path: Path, identity: Identity, scene: Scene) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_person(identity, scene).pixels).save(path)
