"""Folders as they should be: drawn people and things of many kinds, with captions, reg pictures and references."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from miniature.recipe.draw import draw_other, draw_person
from miniature.recipe.world import Identity, Scene, caption, draw_identity_where, draw_scene

Kind = Literal["person", "large person", "thing"]
TRAIN, REFERENCES, REG = 14, 4, 15
# At these sizes the miniature's detector finds drawn faces; things may have any.
SIDES: dict[Kind, int] = {"person": 64, "large person": 96, "thing": 192}
TRIGGER = "ohwx"
RUN = """preset = "miniature"
[data]
train = "Train"
resolution = {side}
[output]
folder = "run"
name = "drawn"
"""
CLASSES: dict[Kind, str] = {"person": "person", "large person": "person", "thing": "robot"}


@dataclass(frozen=True)
class GoodSet:
    """A folder that is as it should be, and what was drawn in it."""

    folder: Path
    kind: Kind
    identity: Identity | None
    scenes: tuple[Scene, ...]

    @property
    def side(self) -> int:
        """Of its pictures, and so of training."""
        return SIDES[self.kind]

    @property
    def train(self) -> Path:
        """The kohya folder of the subject."""
        return self.folder / "Train" / f"5_{TRIGGER} {CLASSES[self.kind]}"

    @property
    def reg(self) -> Path:
        """The kohya folder of the class."""
        return self.folder / "Reg" / f"1_{CLASSES[self.kind]}"

    @property
    def references(self) -> Path:
        """Pictures that are not trained on."""
        return self.folder / "references"

    def pictures(self) -> list[Path]:
        """Those of the subject."""
        return sorted(self.train.glob("*.png"))


def write_good_set(folder: Path, kind: Kind, seed: int) -> GoodSet:
    """Write Train, Reg and references, all with captions; every picture is another."""
    rng = random.Random(f"good/{kind}/{seed}")
    identity = None if kind == "thing" else draw_identity_where(rng, held_out=True)
    scenes = _scenes(rng)
    made = GoodSet(folder, kind, identity, scenes)
    for number, scene in enumerate(scenes):
        place = made.train if number < TRAIN else made.references
        if identity is None:
            _write(place / f"{number:02}.png", thing(f"{seed}/{number}"), _of_thing(TRIGGER, rng))
        else:
            _write(place / f"{number:02}.png", person(identity, scene, made.side), caption_of(TRIGGER, scene))
    for number in range(REG):
        if identity is None:
            _write(made.reg / f"{number:02}.png", thing(f"{seed}/reg/{number}"), _of_thing("", rng))
        else:
            other, scene = stranger(identity, rng), draw_scene(rng)
            words = caption(CLASSES[kind], [*other.words(), *scene.words()])
            _write(made.reg / f"{number:02}.png", person(other, scene, made.side), words)
    (folder / "train.toml").write_text(RUN.format(side=made.side), encoding="utf-8")
    return made


def person(identity: Identity, scene: Scene, side: int) -> Image.Image:
    """Somebody in a scene."""
    return Image.fromarray(_person(identity, scene, side))


def thing(name: str, side: int = 192) -> Image.Image:
    """A robot of its own for each name, on a ground that is not quite even."""
    return Image.fromarray(_thing(name, side))


def stranger(identity: Identity, rng: random.Random) -> Identity:
    """Somebody who does not look like `identity`: of another hair and another skin."""
    while True:
        one = draw_identity_where(rng, held_out=False)
        apart = one.hair_style != identity.hair_style and one.hair_colour != identity.hair_colour
        if (apart and one.skin != identity.skin and one.beard != identity.beard) or (
            apart and one.skin != identity.skin
        ):
            return one


def caption_of(trigger: str, scene: Scene) -> str:
    """The subject's caption: its own looks are left out."""
    return caption(f"{trigger} person", scene.words())


def _scenes(rng: random.Random) -> tuple[Scene, ...]:
    """No two in the same colours, for drawings that differ in the mouth alone are one picture to the eye; two of them
    from further away."""
    found: list[Scene] = []
    while len(found) < TRAIN + REFERENCES:
        scene = draw_scene(rng)
        if all((scene.clothes_colour, scene.background) != (one.clothes_colour, one.background) for one in found):
            found.append(replace(scene, scale=0.85) if len(found) in (3, 9) else scene)
    return tuple(found)


def _of_thing(trigger: str, rng: random.Random) -> str:
    who = f"{trigger} robot".strip()
    return f"{rng.choice(['a', 'one'])} {who}, {rng.choice(PLACES)}, {rng.choice(LIGHTS)}, {rng.randrange(100, 999)}"


PLACES = ("on a table", "in a garden", "in the street", "before a wall", "on a shelf", "in a workshop", "by the sea")
LIGHTS = ("daylight", "lamp light", "evening light", "soft light", "hard light")


@lru_cache(maxsize=4096)
def _person(identity: Identity, scene: Scene, side: int) -> np.ndarray:
    return draw_person(identity, scene, side).pixels


@lru_cache(maxsize=2048)
def _thing(name: str, side: int) -> np.ndarray:
    rng = random.Random(name)
    drawing, words = draw_other(rng, side)
    while "robot" not in words:
        drawing, words = draw_other(rng, side)
    grain = np.random.default_rng(rng.randrange(2**32)).normal(0, 1.2, drawing.pixels.shape)
    return np.clip(drawing.pixels + grain, 0, 255).astype(np.uint8)


def _write(path: Path, picture: Image.Image, words: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    path.with_suffix(".txt").write_text(words + "\n", encoding="utf-8")
