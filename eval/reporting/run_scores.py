"""The best score of a training run, `NAME-scores.json` beside its record: where `trainer runs` looks for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from eval.judging.stored_grid import GridRecord
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import UnscorableError
from eval.reporting.ranked_grid import RankedGrid, open_ranked
from eval.request.settings import UNVARIED
from eval.wording.figure_texts import rounded
from foundation.errors import ConfigurationError
from foundation.files import write_text
from foundation.path_fields import DINOV2
from trainer.records.ledger import SCORES
from trainer.records.record import RunRecord, read_record


def write_scores_of(store: Path) -> list[Path]:
    """As `write_run_scores`, for a store; nothing where it cannot be ranked (nothing seen in its references)."""
    try:
        return write_run_scores(open_ranked(store))
    except UnscorableError:
        return []


def write_run_scores(ranked: RankedGrid) -> list[Path]:
    """Write one for each run whose record lies beside checkpoints of the grid, with the first of its rows.

    Rows without other LoRAs come first: their score is the run's own. A checkpoint is a run's where the record has its
    name and hash. A folder that cannot be written is left as it is: ranking only reads. Returns what was written.
    """
    written: list[Path] = []
    for folder in sorted({cell.use.checkpoint.path.parent for cell in ranked.grid.cells}):
        for path, record in _records(folder):
            rows = [row for row in ranked.rows if _is_of(record, folder, ranked, row)]
            if rows:
                row = next((one for one in rows if not one.also), rows[0])
                scores = path.with_name(f"{record.name}{SCORES}")
                try:
                    write_text(scores, json.dumps(_told(ranked, row), indent=2) + "\n")
                except OSError:
                    continue
                written.append(scores)
    return written


def _records(folder: Path) -> Iterator[tuple[Path, RunRecord]]:
    for path in sorted(folder.glob("*-run.json")):
        try:
            yield path, read_record(path)
        except (ConfigurationError, OSError):
            continue  # some other tool's file of that name; `trainer runs` says what is wrong with one of ours


def _is_of(record: RunRecord, folder: Path, ranked: RankedGrid, row: RankedCell) -> bool:
    checkpoint = ranked.grid.cell(row.cell, row.checkpoint).use.checkpoint
    return (
        row.guest is None
        and checkpoint.path.parent == folder
        and record.files.get(checkpoint.path.name) == checkpoint.sha256
    )


def _told(ranked: RankedGrid, row: RankedCell) -> dict[str, object]:
    snapshot = ranked.grid.snapshot
    return {
        "best": rounded(row.identity),
        "file": ranked.grid.cell(row.cell, row.checkpoint).use.checkpoint.path.name,
        "low": rounded(row.identity_low),
        "high": rounded(row.identity_high),
        "weights": row.weights,
        "also": row.also,
        **({"on": str(row.on)} if row.on != UNVARIED else {}),
        "pictures": row.pictures,
        **_judge_of_likeness(snapshot),
        "references": len(snapshot.references),
        "store": str(ranked.grid.store.folder),
        "cell": row.cell,
        "broken": list(row.broken),
        "flags": list(row.flags),
    }


def _judge_of_likeness(snapshot: GridRecord) -> dict[str, str]:
    if snapshot.subject == "image" and snapshot.face_model.startswith(DINOV2):
        return {"dinov2_model": snapshot.face_model, "dinov2_sha256": snapshot.face_sha256}
    if snapshot.subject == "image":
        return {"clip_model": snapshot.clip_model, "clip_sha256": snapshot.clip_sha256}
    return {"face_model": snapshot.face_model, "face_sha256": snapshot.face_sha256}
