"""Grids for the parts of `benchmarks/gpu.py`: a specification with its plan, and drawing it with nothing stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from base_models.drawing.png import png_of, to_bytes
from eval.rendering.renderer import Renderer
from eval.request.plan import Batch, Plan, batches_of, make_plan
from eval.request.spec import GridSpec
from foundation.toml_config import validate
from miniature.paths import SUBJECT
from on_gpu.bench import say

PROMPTS = (
    "photo of a ohwx person, smiling, looking at viewer, red hoodie, blue background",
    "photo of a ohwx person, serious, wearing glasses, green t-shirt, white background",
    "photo of a ohwx person, eyes closed, yellow sweater, purple background",
    "photo of a person, red afro hair, dark skin, smiling, orange t-shirt, green background",
)


@dataclass(frozen=True)
class Asked:
    """What differs between the parts' grids; `side` None is the model's own."""

    base: str
    loras: tuple[Path, ...]
    device: str
    dtype: str
    unet: tuple[float, ...] = (0.6, 1.0)
    te: tuple[float, ...] = (0.0, 1.0)
    prompts: int = len(PROMPTS)
    seeds: int = 2
    steps: int = 30
    side: int | None = None


def spec_of(asked: Asked, folder: Path) -> GridSpec:
    """As a user would write it, in `folder`."""
    sides = {} if asked.side is None else {"width": asked.side, "height": asked.side}
    tables: dict[str, object] = {
        "model": {"base": asked.base, "device": asked.device, "dtype": asked.dtype},
        "lora": {"checkpoints": [str(one) for one in asked.loras], "unet": list(asked.unet), "te": list(asked.te)},
        "sampler": {"steps": asked.steps, **sides},
        "prompts": {
            "texts": list(PROMPTS[: asked.prompts]),
            "seeds": asked.seeds,
            "trigger": "ohwx person",
            "class": "person",
        },
        "references": {"held_out": str(SUBJECT / "references")},
        "score": {"faces": "miniature", "clip": "miniature"},
        "store": {"path": str(folder / "eval")},
    }
    return validate(GridSpec, tables, folder / "grid.toml")


@dataclass(frozen=True)
class Grid:
    """A specification, its plan, and a renderer with the base model loaded."""

    spec: GridSpec
    plan: Plan
    renderer: Renderer

    @classmethod
    def of(cls, asked: Asked, folder: Path) -> Grid:
        """Plan it and load its base model."""
        spec = spec_of(asked, folder)
        plan = make_plan(spec)
        return cls(spec, plan, Renderer(spec.model, plan.sampling, say))

    def batches(self, size: int) -> list[Batch]:
        """The plan's, of at most `size` pictures."""
        return list(batches_of(self.plan, size))

    def drawn(self, batches: Sequence[Batch]) -> dict[str, np.ndarray]:
        """Pictures (H, W, 3) uint8 by id."""
        return dict(self._pictures(batches))

    def draw_and_save(self, batches: Sequence[Batch], folder: Path) -> int:
        """As a worker does it: files are encoded, hashed and written beside the next batch. Returns how many."""
        folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(4) as pool:
            saved = [
                pool.submit(_save, picture, folder / f"{planned.id}.png")
                for batch in batches
                for planned, picture in zip(batch.pictures, self.renderer.render(batch), strict=True)
            ]
        return len([one.result() for one in saved])

    def _pictures(self, batches: Sequence[Batch]) -> Iterator[tuple[str, np.ndarray]]:
        for batch in batches:
            for planned, picture in zip(batch.pictures, self.renderer.render(batch), strict=True):
                yield planned.id, to_bytes(picture)


def _save(picture: np.ndarray, path: Path) -> str:
    png = png_of(picture, json.dumps({"prompt": path.stem}))
    path.write_bytes(png)
    return hashlib.sha256(png).hexdigest()
