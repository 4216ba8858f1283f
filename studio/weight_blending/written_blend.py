"""Writes a blend by the very command, in a process of its own: the server loads no tensor. No Streamlit here."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from foundation.errors import UserError
from foundation.typed.json_values import is_table, parse_json
from studio.languages.translation import tr
from studio.shared.file_names import SUFFIX, numbered, stem_of
from studio.weight_blending.recipe import Recipe

BLENDS = "blends"
LAST_LINES = 3
SEEN = 0.00005  # of the size: less is written as 0.00 %


class BlendingError(UserError):
    """A blend that could not be made, in the words of the command."""


@dataclass(frozen=True)
class Blended:
    """What came of it: the file, its hash, ranks, and the error against the exact sum, in all and by block."""

    path: Path
    sha256: str
    modules: int
    ranks: tuple[int, int]
    error: float
    blocks: Mapping[str, float]

    @property
    def is_exact(self) -> bool:
        """Whether no error is to be seen in its figures: nothing but a type's rounding."""
        return self.error < SEEN and all(one < SEEN for one in self.blocks.values())


@lru_cache(maxsize=64)
def expected_error(recipe: str, command: tuple[str, ...]) -> Blended:
    """What a file of this recipe would be: it is written, read back, and thrown away; once for each recipe.

    `command`: as `Recipe.command` gives it for no file in particular; `recipe` tells files of one path apart.
    """
    del recipe
    with tempfile.TemporaryDirectory() as folder:
        at = command.index("-o") + 1
        return _run([*command[:at], str(Path(folder) / f"blend{SUFFIX}"), *command[at + 1 :]])


def written(recipe: Recipe, output: Path) -> Blended:
    """Write the file. Raises BlendingError."""
    output.parent.mkdir(parents=True, exist_ok=True)
    return _run(recipe.command(output))


def output_path(folder: Path, name: str) -> Path:
    """Where the blend called `name` goes: `folder`/blends. Raises FileNameError for what is no plain name."""
    return folder / BLENDS / f"{stem_of(name)}{SUFFIX}"


def free_name(folder: Path) -> str:
    """What a blend in `folder`/blends may be called without replacing another."""
    return next(name for name in numbered("blend") if not output_path(folder, name).exists())


def blends_in(folder: Path) -> list[Path]:
    """The blends that were written beside a store."""
    return sorted((folder / BLENDS).glob(f"*{SUFFIX}"))


def state_of(recipe: Recipe) -> str:
    """What tells whether a recipe's files are still what they were."""
    facts = [(part.text, part.path.stat().st_mtime_ns, part.path.stat().st_size) for part in recipe.parts]
    return f"{facts} {recipe.method} {recipe.rank} {recipe.dtype}"


def _run(command: list[str]) -> Blended:
    root = str(Path(__file__).resolve().parents[2])
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    ran = subprocess.run(
        [*command, "--json"], env=variables, stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True
    )
    if ran.returncode:
        said = [line for line in ran.stderr.splitlines() if line.strip() and not line.startswith("starting")]
        raise BlendingError(
            " ".join(said[-LAST_LINES:]) or tr("the command ended without a word; run it in a terminal")
        )
    return _blended(ran.stdout)


def _blended(told: str) -> Blended:
    match parse_json(told):
        case {
            "file": str(path),
            "sha256": str(sha256),
            "modules": int(modules),
            "ranks": [int(low), int(high)],
            "error": float(error),
            "blocks": blocks,
        } if is_table(blocks):
            shares = {block: float(share) for block, share in blocks.items() if isinstance(share, int | float)}
            return Blended(Path(path), sha256, modules, (low, high), error, shares)
        case _:
            raise BlendingError(tr("the command answered with something else than a blend; run it in a terminal"))
