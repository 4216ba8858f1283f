"""What an export leaves, and what is said where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eval.ranking.columns import row_as_json
from eval.ranking.ranked_cell import RankedCell
from foundation.errors import UserError

# A file drawn anew draws what was scored where it is so near, as a share of what the LoRA changes by itself.
AS_SCORED = 0.1


class ExportError(UserError):
    """A cell that cannot be exported as it was scored."""


@dataclass(frozen=True)
class Exported:
    """The written file, its sha256, and the picture beside it that A1111 and ComfyUI managers show; its type, its
    greatest rank, and how far its deltas are from those that were scored, as a share of their size."""

    path: Path
    sha256: str
    preview: Path
    dtype: str = ""
    rank: int = 0
    error: float = 0.0

    def as_json(self, row: RankedCell) -> dict[str, object]:
        """What `export --json` prints of the cell that was written."""
        return {"file": str(self.path), "sha256": self.sha256, "error": self.error, "scores": row_as_json(row)}

    def in_lines(self, row: RankedCell) -> list[str]:
        """What `export` says of the cell that was written, and how the file is used."""
        alone = f", without {row.also}, which is blended in" if row.also else ""
        lines = [f"wrote {self.path} and {self.preview}: row {row.place}, {row.name}", f"use it at weight 1{alone}"]
        if self.error:
            lines.append(
                f"its deltas ({self.dtype}, rank {self.rank}) are {100 * self.error:.2g} % of their size away from "
                "those that were scored: draw it before you go by its scores"
            )
        if row.guest:
            lines.append(f"it is a guest's: its trigger is `{row.guest.trigger}`")
        if row.broken:
            lines.append(f"but look at its pictures first: it breaks a limit ({'; '.join(row.broken)})")
        elif not row.worth_taking:
            lines.append("but it is not shown to be more like the subject than the base model: `eval rank` says why")
        return lines
