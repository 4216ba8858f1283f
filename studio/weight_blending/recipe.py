"""A blend as it is put together: files, weights by part and block, method and rank; and its moves, to go back through.

No Streamlit here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from base_models.kohya_names import block_of, block_order
from foundation.safetensors_header import read_header
from loras.blending.block_weights import FORMS, PRESETS
from loras.blending.merge_methods import EXACT_SUM
from loras.key_spellings import spelling_of
from studio.languages.translation import noted

EVERYWHERE = "ALL"
OWN = noted("each block by itself")
AS_IT_IS = ""
MOST_MOVES = 200


@dataclass(frozen=True)
class Part:
    """A LoRA file with its weights. `preset`: a preset's name, or OWN; then `blocks` has each block's own."""

    path: Path
    unet: float = 1.0
    te: float = 1.0
    preset: str = EVERYWHERE
    blocks: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def text(self) -> str:
        """As `eval blend` takes it."""
        said = f"{self.path}:unet={self.unet:g},te={self.te:g}"
        if self.preset == OWN and (numbers := numbers_of(self.blocks)):
            return f"{said},blocks={','.join(f'{one:g}' for one in numbers)}"
        return f"{said},blocks={self.preset}" if self.preset in PRESETS and self.preset != EVERYWHERE else said


@dataclass(frozen=True)
class Recipe:
    """What is blended. `rank`: as `--rank` takes it; "" keeps the exact sum."""

    parts: tuple[Part, ...] = ()
    method: str = EXACT_SUM
    rank: str = AS_IT_IS
    dtype: str = "float16"

    def command(self, output: Path) -> list[str]:
        """The command that writes it, as a list of words."""
        asked = ["blend", *(part.text for part in self.parts), "-o", str(output), "--method", self.method]
        asked += ["--dtype", self.dtype, *(["--rank", self.rank] if self.rank else [])]
        return [sys.executable, "-m", "eval", *asked]


@dataclass(frozen=True)
class Moves:
    """Recipes one after the other, the last one on show."""

    done: tuple[Recipe, ...] = (Recipe(),)

    @property
    def recipe(self) -> Recipe:
        """The one on show."""
        return self.done[-1]

    def to(self, recipe: Recipe) -> Moves:
        """With one more, where it differs; the oldest of very many are forgotten."""
        return self if recipe == self.recipe else Moves((*self.done, recipe)[-MOST_MOVES:])

    def back(self) -> Moves:
        """Without the last one, where there is one before it."""
        return replace(self, done=self.done[:-1]) if len(self.done) > 1 else self


def blocks_in(path: Path) -> list[str]:
    """The blocks of a file, as a picture passes through them, off its header; none where block weights do not fit.

    Raises MissingFileError or LoraFileError.
    """
    header = read_header(path)
    found = {block_of(name) for name in spelling_of(header.shapes, path, header.metadata).modules}
    return sorted(found, key=block_order) if _form_with(found) else []


def numbers_of(blocks: Mapping[str, float]) -> list[float]:
    """Block weights as the numbers of the form that has these blocks, 1 for blocks that are not there."""
    return [blocks.get(block, 1.0) for block in _form_with(set(blocks))]


def _form_with(blocks: set[str]) -> Sequence[str]:
    return next((FORMS[count] for count in sorted(FORMS) if blocks <= {*FORMS[count]}), ())
