"""A stored grid with its ranking: what the commands and the studio both start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from base_models.drawing.samplers import SAMPLERS
from eval.judging.stored_grid import Grid, load_evidence, load_grid
from eval.ranking.columns import row_as_json
from eval.ranking.evidence import Evidence
from eval.ranking.limits import limits_of
from eval.ranking.ranked_cell import RankedCell
from eval.reporting.report import ReportData
from eval.reporting.search_sentences import in_sentences
from eval.request.cells import Sampling
from eval.store.store import KeptPicture, open_store
from eval.ways.ranked_together import rank_together
from foundation.wording.said import in_series, listed, say, sentences


@dataclass(frozen=True)
class RankedGrid:
    """`rows` are best first."""

    grid: Grid
    evidence: Evidence
    rows: list[RankedCell]

    def as_json(self) -> list[dict[str, object]]:
        """The document of `rank --json`."""
        return [row_as_json(row) for row in self.rows]


def open_ranked(folder: Path) -> RankedGrid:
    """Open a store and rank its last grid; no model is loaded. Raises StoreError."""
    grid = load_grid(open_store(folder))
    ways = [load_evidence(part) for part in grid.by_setting]
    return RankedGrid(grid, *rank_together(ways, limits_of(grid.snapshot.limits)))


def _drawn_in_words(sampling: Sampling) -> str:
    """How pictures were drawn; of imported ones not all of it may be told."""
    known = SAMPLERS.get(sampling.sampler)
    told = [
        known.a1111 if known else sampling.sampler,
        say("{count} steps", count=sampling.steps) if sampling.steps else "",
        f"CFG {sampling.cfg:g}" * bool(sampling.cfg),
        f"{sampling.width}x{sampling.height}",
    ]
    return listed([one for one in told if one])


def report_data(ranked: RankedGrid, title: str = "LoRA report") -> ReportData:
    """What the report shows of a ranked grid."""
    grid, snapshot = ranked.grid, ranked.grid.snapshot

    def picture(cell_id: str | None, unit: int) -> KeptPicture:
        return shown.picture(grid.cell(cell_id) if cell_id else None, snapshot.units[unit])

    first = ranked.rows[0]
    shown = grid.beside(grid.cell(first.cell, first.checkpoint))
    bases = dict.fromkeys(f"{name} ({sampling.base[:12]})" for name, sampling in grid.drawn)
    samplings = dict.fromkeys(_drawn_in_words(sampling) for _, sampling in grid.drawn)
    facts: dict[str, str] = {
        say("Base model"): in_series(list(bases)),
        say("Sampler"): in_series(list(samplings)),
        **({say("Shown as the base model"): str(first.on)} if snapshot.settings else {}),
        **({say("Imported from"): ", ".join(snapshot.imported)} if snapshot.imported else {}),
        say("Trigger"): say("{trigger} (class: {word})", trigger=snapshot.trigger, word=snapshot.class_word),
        say("Exported as"): grid.cells[0].dtype,
        **({say("Chosen by"): sentences(in_sentences(snapshot.search))} if snapshot.search else {}),
        **{say("Licence of {model}", model=name): licence for name, licence in snapshot.licences.items()},
    }
    return ReportData(title, ranked.evidence, ranked.rows, picture, facts)
