"""What an export will write, where to, and how it is used. No Streamlit here."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from base_models.kohya_names import part_of
from eval.exporting.exported import Exported
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.verdict import verdict
from eval.request.cells import Cell, Use
from foundation.safetensors_header import read_header
from loras.key_spellings import spelling_of
from studio.languages.retelling import told
from studio.languages.translation import tr
from studio.shared.file_names import SUFFIX, stem_of
from studio.shared.stores import OpenedStore

EXPORTS = "exports"
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True)
class AskedForm:
    """How the file is to be written, as the page asks and `eval export` takes it; "" leaves it as it was scored."""

    rank: str = ""
    dtype: str = ""
    tool: str = ""
    author: str = ""
    description: str = ""

    @property
    def is_as_scored(self) -> bool:
        """Whether the tensors stay those that were scored."""
        return not (self.rank or self.dtype)


@dataclass(frozen=True)
class Contents:
    """What the file will hold: modules, the largest rank, the type of its numbers, and about how many bytes."""

    modules: int
    rank: int
    dtype: str
    size: int


def cautions(opened: OpenedStore, row: RankedCell) -> list[str]:
    """What is to be known before a row becomes a file: that the ranking says to take none, or not this one; which
    limits it breaks. Nothing of a row that it says to take."""
    said = verdict(opened.rows, opened.ranked.evidence, opened.scores)
    broken = [told(reason) for reason in row.broken]
    if said.taken is None:
        return [told(said.headline), *map(told, said.sentences[:1]), *broken]
    if row.worth_taking or broken:
        return broken
    return [
        tr(
            "{cell} is not shown to be more like the subject than the base model. The ranking says to take {taken}.",
            cell=row.name,
            taken=said.taken.name,
        )
    ]


def contents_of(cell: Cell) -> Contents:
    """Work out a cell's file from its parents' headers; no tensor is read. A blend's ranks add up.

    Raises MissingFileError or LoraFileError.
    """
    ranks: dict[str, int] = {}
    numbers = 0
    for use in cell.uses:
        for module, (rank, count) in _modules_of(use).items():
            ranks[module] = ranks.get(module, 0) + rank
            numbers += count
    return Contents(len(ranks), max(ranks.values(), default=0), cell.dtype, numbers * BYTES[cell.dtype])


def size_in_words(size: int) -> str:
    """Bytes as MiB, or KiB below one."""
    return f"{size / 2**20:.0f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"


def suggested_name(row: RankedCell) -> str:
    """A file name that says what is in it."""
    weights = row.weights.replace("=", "").replace(",", "-")
    return re.sub(r"[^\w.-]+", "-", f"{row.checkpoint}-{weights}{'-blend' if row.also else ''}")


def export_path(folder: Path, name: str) -> Path:
    """Where the file called `name` goes. Raises FileNameError for what is no plain name."""
    return folder / f"{stem_of(name)}{SUFFIX}"


def write_export(opened: OpenedStore, row: RankedCell, path: Path, asked: AskedForm) -> Exported:
    """Write the row's cell; see eval.exporting.export.export_cell for what it refuses."""
    # torch, half a gigabyte of memory, until then not needed
    from eval.exporting.export import export_cell
    from eval.exporting.file_form import FileForm

    form = FileForm.asked(asked.rank, asked.dtype, asked.tool, asked.author, asked.description)
    return export_cell(opened.ranked.grid, row, path, form)


def usage_by_tool(opened: OpenedStore, row: RankedCell, name: str) -> dict[str, tuple[str, str]]:
    """How the file is used, by tool: where to put it, and what to write. Weight 1 is the cell as it was scored."""
    grid = opened.ranked.grid.beside(opened.cell(row))
    trigger, sampling = grid.snapshot.trigger, grid.sampling
    script = (
        f'pipe.load_lora_weights("FOLDER", weight_name="{name}{SUFFIX}")\n'
        f'prompt = "{trigger}, ..."\n'
        f"picture = pipe(prompt, num_inference_steps={sampling.steps}, guidance_scale={sampling.cfg:g}).images[0]"
    )
    return {
        "A1111 / Forge": (tr("Put it in `models/Lora/` and write in the prompt:"), f"{trigger}, <lora:{name}:1>"),
        "ComfyUI": (
            tr("Put it in `models/loras/` and add the node Load LoRA with:"),
            f"lora_name       {name}{SUFFIX}\nstrength_model  1.0\nstrength_clip   1.0\nprompt          {trigger}, ...",
        ),
        "diffusers": (tr("Load it into a pipeline of the same base model:"), script),
    }


def _modules_of(use: Use) -> dict[str, tuple[int, int]]:
    """Rank and count of numbers of each module that acts at these weights, off the header alone.

    A kind other than plain factors counts with rank 0: what its exact low rank is, the blend says.
    """
    path = use.checkpoint.path
    header = read_header(path)
    found: dict[str, tuple[int, int]] = {}
    for name, keys in spelling_of(header.shapes, path, header.metadata).modules.items():
        if use.weights.on(part_of(name)):
            rank = header.shapes[keys["lora_down.weight"]][0] if "lora_down.weight" in keys else 0
            factors = [header.shapes[key] for suffix, key in keys.items() if suffix != "alpha"]
            found[name] = (rank, sum(math.prod(shape) for shape in factors))
    return found
