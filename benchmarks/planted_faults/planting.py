"""What a planted fault is: how it is done to a good folder, and which findings it has to bring."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from planted_faults.good_sets import GoodSet, Kind

PEOPLE: tuple[Kind, ...] = ("person", "large person")
ALL: tuple[Kind, ...] = (*PEOPLE, "thing")
LARGE: tuple[Kind, ...] = ("large person", "thing")


@dataclass
class Bench:
    """A folder in the making: no picture gets two faults, so that each is known by its own."""

    good: GoodSet
    rng: random.Random
    free: list[Path] = field(default_factory=list[Path])

    def take(self, count: int = 1) -> list[Path]:
        """Pictures of the subject that nothing was done to yet."""
        chosen = [self.free.pop(self.rng.randrange(len(self.free))) for _ in range(count)]
        return sorted(chosen)

    def one(self) -> Path:
        """One of them."""
        return self.take()[0]


def bench_of(good: GoodSet, rng: random.Random) -> Bench:
    """The good folder, with all its pictures free."""
    return Bench(good, rng, good.pictures())


# (rule, path or None for the whole set, or a path of which any finding of the rule will do)
Expected = list[tuple[str, Path | None]]
Plant = Callable[[Bench], Expected]


@dataclass(frozen=True)
class Fault:
    """`brings`: rules that it may bring as well, because they are true of it. `alone`: it leaves nothing to combine."""

    name: str
    plant: Plant
    kinds: tuple[Kind, ...] = ALL
    brings: tuple[str, ...] = ()
    alone: bool = False


def opened(path: Path) -> Image.Image:
    """A picture of the folder, to be changed."""
    with Image.open(path) as picture:
        return picture.convert("RGB")


def saved(picture: Image.Image, path: Path) -> None:
    """Put a changed picture back in its place."""
    picture.save(path)


def captioned(path: Path) -> str:
    """The caption beside a picture."""
    return path.with_suffix(".txt").read_text(encoding="utf-8").strip()


def say(path: Path, words: str) -> None:
    """Write a picture's caption."""
    path.with_suffix(".txt").write_text(words + "\n", encoding="utf-8")
