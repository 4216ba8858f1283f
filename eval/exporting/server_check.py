"""An exported file drawn once more, at weight 1, by the server that drew what was scored: how far the two differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from base_models.drawing.png import read_picture
from eval.exporting.exported import AS_SCORED, Exported, ExportError
from eval.judging.stored_grid import Grid, UnitRecord
from eval.request.cells import Cell, Checkpoint, Use
from eval.request.elsewhere.elsewhere import Elsewhere
from eval.request.plan import PlannedPicture, sampling_elsewhere
from eval.request.prompts import read_prompts
from eval.request.spec import GridSpec
from eval.servers.faults import ServerFaultError
from eval.servers.server import no_answer, opened_servers
from foundation.files import whole_file
from loras.weights import Weights

MOST_DRAWN = 4


@dataclass(frozen=True)
class Difference:
    """Mean differences of the file's pictures from the scored ones, and what the LoRA changes beside the base model's.

    All in steps of 255; `largest` is that of one value. `sheet`: pairs, the scored one on the left.
    """

    pictures: int
    mean: float
    largest: int
    lora: float
    sheet: Path
    server: str

    @property
    def is_as_scored(self) -> bool:
        """Whether the file draws what was scored, but for a loader's rounding."""
        return self.mean <= AS_SCORED * self.lora

    def as_json(self) -> dict[str, object]:
        return {"pictures": self.pictures, "mean": self.mean, "largest": self.largest, "lora": self.lora,
                "as_scored": self.is_as_scored, "sheet": str(self.sheet), "server": self.server}  # fmt: skip

    def in_lines(self) -> list[str]:
        """What a user is told, and what to do."""
        verdict = (
            "it draws what was scored; the rest is the server's own rounding"
            if self.is_as_scored
            else "it does not draw what was scored: look at the pairs; is the server's file the one that was written?"
        )
        return [
            f"drawn at weight 1 by {self.server}: {self.pictures} pictures differ from the scored ones by "
            f"{self.mean:.2g} of 255 on average, by {self.largest} at most; the LoRA changes them by {self.lora:.2g}",
            f"{verdict} ({self.sheet})",
        ]


def check_drawn_alike(spec: GridSpec, grid: Grid, cell: Cell) -> Elsewhere:
    """The servers, where they draw as the cell was drawn. Raises ExportError."""
    assert spec.elsewhere is not None
    ways = [sampling_elsewhere(one, spec.elsewhere, read_prompts(spec.prompts).negative) for one in spec.settings]
    if grid.beside(cell).sampling not in ways:
        raise ExportError(
            f"{grid.store.folder}: was not drawn as --spec says; name the specification and servers that it was "
            "drawn with"
        )
    return spec.elsewhere


def drawn_again(elsewhere: Elsewhere, grid: Grid, cell: Cell, written: Exported) -> Difference:
    """Draw the file's pictures of some units of the cell, and hold them beside the scored ones.

    Raises ServerRefusedError where the server does not have the file, or fails.
    """
    units = [unit for unit in grid.snapshot.units if unit.role == "subject"][:MOST_DRAWN]
    one = Checkpoint(written.path, written.path.stem, written.sha256, None)
    alone = Cell(Use(one, Weights.of(1.0, 1.0)), (), cell.dtype)
    server = opened_servers(elsewhere, grid.beside(cell).sampling)[0]
    try:
        server.check([one], [alone])
        drawn = [
            server.finish(server.begin(PlannedPicture(text, alone, text, unit.seed)))
            for unit in units
            for text in [grid.asked(cell, unit)]
        ]
    except ServerFaultError as error:
        raise no_answer(server.url, elsewhere.tool, error) from error
    finally:
        server.close()
    sheet = written.path.with_name(f"{written.path.stem}-at-weight-1.png")
    return _held_beside(grid, cell, list(zip(units, _decoded(drawn), strict=True)), sheet, server.url)


def _decoded(drawn: list[bytes]) -> Iterator[np.ndarray]:
    with TemporaryDirectory(prefix="lora-studio-") as folder:
        for number, data in enumerate(drawn):
            path = Path(folder) / f"{number}.png"
            path.write_bytes(data)
            yield read_picture(path).astype(np.int16)


def _held_beside(
    grid: Grid, cell: Cell, drawn: list[tuple[UnitRecord, np.ndarray]], sheet: Path, server: str
) -> Difference:
    rows: list[np.ndarray] = []
    own: list[np.ndarray] = []
    lora: list[float] = []
    for unit, picture in drawn:
        scored = read_picture(grid.picture_path(cell, unit)).astype(np.int16)
        base = read_picture(grid.beside(cell).picture_path(None, unit)).astype(np.int16)
        if picture.shape != scored.shape:
            raise ExportError(
                f"{server}: draws in another size than the scored pictures have; is it the same workflow?"
            )
        own.append(np.abs(picture - scored))
        lora.append(float(np.abs(base - scored).mean()))
        rows.append(np.hstack([scored, picture]))
    with whole_file(sheet) as beside:
        Image.fromarray(np.vstack(rows).astype(np.uint8)).save(beside, format="PNG")
    mean, largest = float(np.mean([one.mean() for one in own])), int(max(one.max() for one in own))
    return Difference(len(drawn), mean, largest, float(np.mean(lora)), sheet, server)
