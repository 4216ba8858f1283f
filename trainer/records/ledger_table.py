"""The ledger as a user reads it: a table with a run a row, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from foundation.printing import console_on, print_lines
from foundation.terminal_tables import KEPT, NOT_MEASURED, Row, TableColumn, fitting, table_lines
from trainer.records.ledger import Ledger, LedgerEntry


def _spent(entry: LedgerEntry) -> str:
    time = f"{entry.record.spent_seconds / 60:.1f} min"
    return time if entry.record.cost is None else f"{time}, {entry.record.cost:.2f}"


def _score(entry: LedgerEntry) -> str:
    return NOT_MEASURED if entry.score is None else f"{entry.score.best:.3g}"


# What is shown of a run, and what each is worth on a narrow terminal.
COLUMNS: dict[str, tuple[Callable[[LedgerEntry], str], int]] = {
    "begun": (lambda entry: entry.record.started[:16].replace("T", " "), 2),
    "status": (lambda entry: entry.status, KEPT),
    "steps": (lambda entry: f"{entry.record.done} of {entry.record.steps}", 3),
    "verdict": (lambda entry: entry.record.outcome or NOT_MEASURED, KEPT),
    "best score": (_score, 5),
    "time, cost": (_spent, 4),
}


def print_ledger(ledger: Ledger) -> None:
    """A run a row, oldest first; below each what was changed against the run before, and what came of it.

    Files that are no record though they are named like one come last.
    """
    console = console_on()
    entries = ledger.entries
    shown = [TableColumn("run", [entry.record.name for entry in entries], is_name=True)]
    for heading, (cell, worth) in COLUMNS.items():
        shown.append(TableColumn(heading, [cell(entry) for entry in entries], worth=worth))
    before = [None, *entries][: len(entries)]
    rows = [Row("", _notes(entry, one)) for entry, one in zip(entries, before, strict=True)]
    print_lines(table_lines(fitting(shown, console.width), rows, console.width), console)
    print_lines((f"unreadable: {why}" for why in ledger.unreadable.values()), console)


def _notes(entry: LedgerEntry, before: LedgerEntry | None) -> list[str]:
    notes: list[str] = []
    if entry.score is not None:
        notes.append(f"best: {'; '.join(filter(None, (entry.score.file, entry.score.measured)))}")
    if before is not None:
        notes.append(f"since {before.record.name} changed: {'; '.join(entry.cause) or 'nothing'}")
        notes.append(f"outcome: {'; '.join(entry.effect) or 'nothing'}")
    return notes


def ledger_json(ledger: Ledger) -> str:
    """A list of objects: each run's record, with `path`, `status`, `score`, `cause` and `effect`.

    A file that cannot be read is one with `path`, the status "unreadable" and `reason`.
    """
    unreadable = [{"path": str(path), "status": "unreadable", "reason": why} for path, why in ledger.unreadable.items()]
    return json.dumps(
        [
            *(
                {
                    **entry.record.model_dump(mode="json"),
                    "path": str(entry.path),
                    "status": entry.status,
                    "score": asdict(entry.score) if entry.score else None,
                    "cause": entry.cause,
                    "effect": entry.effect,
                }
                for entry in ledger.entries
            ),
            *unreadable,
        ]
    )
