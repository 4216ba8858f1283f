"""A stored grid with its ranking: what the commands and the studio both start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eval.evidence import Evidence
from eval.ranking import RankedCell, rank
from eval.snapshot import Grid, load_evidence, load_grid
from eval.store import open_store


@dataclass(frozen=True)
class RankedGrid:
    """`rows` are best first."""

    grid: Grid
    evidence: Evidence
    rows: list[RankedCell]


def open_ranked(folder: Path) -> RankedGrid:
    """Open a store and rank its last grid; no model is loaded. Raises StoreError."""
    grid = load_grid(open_store(folder))
    evidence = load_evidence(grid)
    return RankedGrid(grid, evidence, rank(evidence))
