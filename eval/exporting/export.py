"""Exports a cell as one LoRA file that does at weight 1 what the cell did, with its recipe in the header."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from eval.exporting.exported import Exported, ExportError
from eval.exporting.file_form import AS_SCORED, FileForm, Shaped, shaped, write_shaped
from eval.judging.stored_grid import Grid
from eval.ranking.columns import row_as_json
from eval.ranking.ranked_cell import RankedCell, recommended
from eval.rendering.cell_lora import lora_of
from eval.request.cells import Cell
from foundation.errors import MissingFileError
from foundation.files import check_is_no_input, sha256_of, whole_file
from loras.blending.blend_metadata import blend_metadata
from loras.blending.merge_methods import EXACT_SUM
from loras.lora_family import LoraFamily, common_family
from loras.lora_file import LoraFile, LoraModule, open_lora
from loras.weights import recipe_weights

# A number this long can be the beginning of a cell's id; a shorter one is meant as a row's.
LONG_NUMBER = 8


def choose_cell(grid: Grid, ranked: list[RankedCell], wanted: str) -> RankedCell:
    """The row that `wanted` names: "best", the one to take or else the first, a row's number, or a cell's id or its
    beginning.

    Raises ExportError.
    """
    if wanted == "best":
        return recommended(ranked) or ranked[0]
    numbered = [row for row in ranked if str(row.place) == wanted]
    if numbered:
        return numbered[0]
    meant = bool(wanted) and not (wanted.isdigit() and len(wanted) < LONG_NUMBER)
    found = [row for row in ranked if meant and row.cell.startswith(wanted)]
    if not found or len({row.cell for row in found}) > 1:
        problem = "several cells begin so" if found else "no cell begins so" if meant else "there is no such row"
        store = shlex.quote(str(grid.store.folder))
        raise ExportError(
            f"--cell {wanted}: {problem}; give best, or a row's number from 1 to {len(ranked)}: "
            f"`python -m eval rank {store}` lists them"
        )
    return found[0]


def export_cell(grid: Grid, row: RankedCell, path: Path, form: FileForm = AS_SCORED) -> Exported:
    """Write the cell's LoRA to `path`, with a preview picture beside it.

    The tensors are those that were scored, unless `form` asks for another rank or type. Raises ExportError where
    nothing acts or a parent's file has changed since, MissingFileError where it is gone, ConvertError for a spelling
    that cannot hold it.
    """
    if path.suffix != ".safetensors":
        raise ExportError(f"{path}: a LoRA file ends in .safetensors; name it so")
    cell = grid.cell(row.cell, row.checkpoint)
    check_is_no_input(path, (use.checkpoint.path for use in cell.uses))
    _check_parents(grid, cell)
    shown = _preview_of(grid, cell)
    lora = lora_of(cell)
    if not lora.modules:
        raise ExportError(f"{row.checkpoint} at {cell.use.weights}: does nothing at these weights; choose another cell")
    made = shaped(lora.modules, cell.dtype, form)
    metadata = _metadata(grid, cell, row, made, path.stem)
    write_shaped(made, metadata | form.words(metadata, grid.snapshot.trigger), path, form)
    preview = path.with_suffix(".png")
    with whole_file(preview) as beside:
        shutil.copyfile(shown, beside)
    return Exported(path, sha256_of(path), preview, made.dtype, made.rank, made.error)


def _preview_of(grid: Grid, cell: Cell) -> Path:
    subject = next(unit for unit in grid.snapshot.units if unit.role == "subject")
    kept = grid.picture(cell, subject)
    if kept.fault:
        state = "is gone" if kept.fault == "not made" else "is damaged"
        raise MissingFileError(
            f"{kept.path}: this picture of the cell {state}; run the grid again, it makes what is missing or damaged"
        )
    return kept.path


def _check_parents(grid: Grid, cell: Cell) -> None:
    for use in cell.uses:
        source = use.checkpoint
        if not source.path.is_file() and grid.snapshot.imported:
            raise MissingFileError(
                f"{source.path}: this LoRA file is not there; import the pictures again with --loras FOLDER, "
                "where it lies, and export then"
            )
        if not source.path.is_file():
            raise MissingFileError(f"{source.path}: is gone; the cell was made from it, put it back")
        if sha256_of(source.path) != source.sha256:
            raise ExportError(f"{source.path}: has changed since it was scored; run the grid again")


def _metadata(grid: Grid, cell: Cell, row: RankedCell, made: Shaped, name: str) -> dict[str, str]:
    headers: list[Mapping[str, str]] = []
    families: list[tuple[Path, LoraFamily]] = []
    for use in cell.uses:
        with open_lora(use.checkpoint.path) as opened:
            headers.append(opened.metadata)
            families.append((opened.path, opened.family))
    recipe = _recipe(grid, cell, row, made)
    lora: LoraFile[LoraModule] = LoraFile(made.modules, {})
    return blend_metadata(lora, headers, common_family(families), name, recipe)


def _recipe(grid: Grid, cell: Cell, row: RankedCell, made: Shaped) -> dict[str, object]:
    """Everything needed to make the file again, and why it was chosen."""
    return {
        "parents": [
            {
                "name": use.checkpoint.name,
                "sha256": use.checkpoint.sha256,
                **recipe_weights(use.weights),
            }
            for use in cell.uses
        ],
        "method": EXACT_SUM,
        "rank": made.rank,
        "dtype": made.dtype,
        "error": made.error,
        "cell": cell.id,
        **({"guest": asdict(row.guest)} if row.guest else {}),
        "grid": asdict(grid.beside(cell).sampling),
        "scores": row_as_json(row),
        "scored_by": {"likeness": grid.snapshot.face_sha256, "clip": grid.snapshot.clip_sha256},
    }
