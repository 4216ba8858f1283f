"""Pictures put by for a store: a file each, and the line of a manifest that says of which cell and unit it is."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from .blended_cell import BlendedCell
from .studio_door import NodeError

if TYPE_CHECKING:
    import numpy as np

    from eval.importing.run_import import ImportOutcome

FOLDER, MANIFEST = "appended", "manifest.csv"
COLUMNS = ("file", "checkpoint", "unet", "te", "also", "prompt", "seed", "hash")
BASE = BlendedCell(())  # the base model by itself


@dataclass(frozen=True)
class Unit:
    """What a picture was drawn of."""

    prompt: str
    seed: int


@dataclass(frozen=True)
class StoreSubject:
    """Who is judged, against which pictures, by whom."""

    trigger: str
    class_word: str
    references: Path
    faces: str
    clip: str


def row_of(cell: BlendedCell, unit: Unit) -> dict[str, str]:
    """A picture's line. Raises NodeError for a cell that no store has, and where nothing was asked for."""
    if cell.fault:
        raise NodeError(cell.fault)
    if not unit.prompt.strip():
        raise NodeError("prompt: is empty; connect the text that the picture was drawn of")
    first, *others = cell.loras or [None]
    said = {
        "checkpoint": first.name if first else "",
        "unet": f"{first.unet!r}" if first else "",
        "te": f"{first.te!r}" if first else "",
        "also": "; ".join(str(one) for one in others if one),
        "prompt": " ".join(unit.prompt.split()),
        "seed": str(unit.seed),
        "hash": first.sha256 if first else "",
    }
    place = sha256("\n".join(f"{key} {value}" for key, value in said.items()).encode()).hexdigest()[:20]
    return {"file": f"{place}.png", **said}


def put_by(store: Path, row: dict[str, str], picture: np.ndarray) -> int:
    """Write the picture (H, W, 3) uint8 and its line; one of the same cell and unit is replaced. How many there are."""
    from PIL import Image

    from foundation.files import whole_file, write_text

    folder = store / FOLDER
    rows = {one["file"]: one for one in _rows(folder / MANIFEST)} | {row["file"]: row}
    whole = BytesIO()
    Image.fromarray(picture).save(whole, format="PNG")
    with whole_file(folder / row["file"]) as beside:
        beside.write_bytes(whole.getvalue())
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *([one[key] for key in COLUMNS] for one in rows.values())])
    write_text(folder / MANIFEST, text.getvalue())
    return len(rows)


def _rows(manifest: Path) -> list[dict[str, str]]:
    """The lines that are there. Raises NodeError for a file that is no manifest of ours."""
    from foundation.text_files import read_text

    if not manifest.is_file():
        return []
    reader = csv.DictReader(StringIO(read_text(manifest)))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise NodeError(f"{manifest}: is no list of appended pictures; move it away, or append to another store")
    return [{key: row[key] or "" for key in COLUMNS} for row in reader]


def judged(store: Path, subject: StoreSubject, loras: list[Path]) -> ImportOutcome:
    """The store made of all that is put by, as `eval import` makes it. Raises UserErrors of the package."""
    from eval.importing.import_plan import ImportRequest
    from eval.importing.import_spec import ImportOptions
    from eval.importing.run_import import run_import
    from foundation.progress import Silent

    folder = store / FOLDER
    options = ImportOptions(
        subject.trigger, subject.class_word, subject.references, faces=subject.faces, clip=subject.clip
    )
    return run_import(ImportRequest([folder], loras, folder / MANIFEST), None, options, store, Silent())


def command_of(store: Path, subject: StoreSubject, loras: list[Path]) -> str:
    """The command that does the same later."""
    from shlex import join

    folders = [word for folder in loras for word in ("--loras", str(folder))]
    return join(
        [
            *("python", "-m", "eval", "import", str(store / FOLDER), "-o", str(store)),
            *(
                "--manifest",
                str(store / FOLDER / MANIFEST),
                "--trigger",
                subject.trigger,
                "--class",
                subject.class_word,
            ),
            *("--held-out", str(subject.references), "--faces", subject.faces, "--clip", subject.clip, *folders),
        ]
    )
