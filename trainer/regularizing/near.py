"""Is a picture one of many that are there? Coarse looks choose the nearest few; those are laid over each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from base_models.pictures.near_duplicates import Sketch, same_pictures, sketch_of
from base_models.vision.appearance import SIZE, appearance_of

LAID_OVER = 6  # at most, for each new picture
WORTH_A_LOOK = 0.5  # correlation of coarse looks below which nothing is one picture


class KnownPictures:
    """Pictures that are there, by name. Pixels are (H, W, 3) RGB uint8."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._sketches: list[Sketch] = []
        self._looks = np.empty((0, SIZE), dtype=np.float32)

    def add(self, name: str, pixels: np.ndarray) -> None:
        """One more."""
        self._names.append(name)
        self._sketches.append(sketch_of(Image.fromarray(pixels)))
        self._looks = np.concatenate([self._looks, _look(pixels)[None]])

    def twin_of(self, pixels: np.ndarray) -> str | None:
        """The name of one that is the same picture: recompressed, resized, brightened, mirrored, a little cropped."""
        if not self._names:
            return None
        mirrored = np.ascontiguousarray(pixels[:, ::-1])
        alike = np.maximum(self._looks @ _look(pixels), self._looks @ _look(mirrored))
        nearest: list[int] = [int(at) for at in np.argsort(-alike)[:LAID_OVER] if alike[at] >= WORTH_A_LOOK]
        return self._same([sketch_of(Image.fromarray(pixels))], nearest)

    def _same(self, one: Sequence[Sketch], nearest: Sequence[int]) -> str | None:
        pairs = same_pictures(one, [self._sketches[at] for at in nearest])
        return self._names[nearest[pairs[0][1]]] if pairs else None


def _look(pixels: np.ndarray) -> np.ndarray:
    found = appearance_of(pixels)
    return np.zeros(SIZE, dtype=np.float32) if found is None else found
