"""An import from its sources to the grid that they make: a value that can be shown before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.importing.collected import Collected, Ways, collect
from eval.importing.containers.picture_sources import find_pictures
from eval.importing.imported_cells import KnownLoras, all_loras, know_loras
from eval.importing.imported_grid import ImportedGrid, Subject, grid_of
from eval.importing.lora_files import lora_folders
from eval.importing.naming.file_pattern import read_pattern
from eval.importing.naming.manifest import read_manifest
from eval.importing.naming.trainer_samples import SampleNames
from eval.importing.same_settings import largest_group
from foundation.errors import UserError


class NothingUnderstoodError(UserError):
    """Sources of which no picture tells how it was made. The text names the first ones with the reason."""


@dataclass(frozen=True)
class ImportRequest:
    """Where pictures lie and how they are read. `seed`: of pictures whose names tell none."""

    sources: Sequence[Path]
    loras: Sequence[Path] = ()
    manifest: Path | None = None
    pattern: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class PlannedImport:
    """`grid`, and what is not of it: `unclear` pictures, those of other settings, LoRA files that are not found."""

    grid: ImportedGrid
    collected: Collected
    other_settings: Mapping[str, str]
    loras: KnownLoras
    doubts: Mapping[str, str]
    unused_rows: Sequence[str]

    @property
    def left_out(self) -> dict[str, str]:
        """Pictures that were understood and that nothing compares, with the reason."""
        return {**self.other_settings, **self.grid.duplicates, **self.grid.left_out}


def plan_import(request: ImportRequest, subject: Subject, dtype: str = "float16") -> PlannedImport:
    """Read what all pictures tell and put them into a grid. Nothing is written, decoded or loaded.

    `dtype`: the type that cells are exported in.

    Raises UserErrors for what cannot be done.
    """
    folders = lora_folders(request.loras)
    manifest = read_manifest(request.manifest) if request.manifest else None
    prompts = subject.order
    pattern = read_pattern(request.pattern, request.seed, prompts) if request.pattern else None
    ways = Ways(manifest, pattern, SampleNames(prompts, request.seed), frozenset(folders.files))
    collected = collect(find_pictures(request.sources), ways)
    if not collected.read:
        raise NothingUnderstoodError(_in_words(collected))
    kept, others = largest_group(collected.read)
    loras = know_loras(all_loras([picture.told for picture in kept]), folders)
    grid = grid_of(kept, loras, subject, dtype)
    return PlannedImport(grid, collected, others, loras, dict(folders.doubts), manifest.unused if manifest else ())


def _in_words(collected: Collected) -> str:
    if not collected.unclear:
        return "the sources hold no pictures (.png, .jpg, .webp); name the folder or archive that does"
    first, why = next(iter(collected.unclear.items()))
    return (
        f"none of {len(collected.unclear)} pictures tells how it was made (the first: {first}: {why}); "
        "give a manifest (--manifest) or a pattern of names (--pattern)"
    )
