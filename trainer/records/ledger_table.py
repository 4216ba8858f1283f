"""The ledger as a user reads it: a table with a run a row, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise

from rich.console import Console
from rich.table import Table

from trainer.records.ledger import Ledger, LedgerEntry


def _spent(entry: LedgerEntry) -> str:
    time = f"{entry.record.spent_seconds / 60:.1f} min"
    return time if entry.record.cost is None else f"{time}, {entry.record.cost:.2f}"


def _score(entry: LedgerEntry) -> str:
    if entry.score is None:
        return "-"
    measured = f"; {entry.score.measured}" if entry.score.measured else ""
    return f"{entry.score.best:.3g} ({entry.score.file}{measured})"


COLUMNS: dict[str, Callable[[LedgerEntry], str]] = {
    "run": lambda entry: entry.record.name,
    "begun": lambda entry: entry.record.started[:16],
    "status": lambda entry: f"{entry.status}, {entry.record.done} of {entry.record.steps} steps",
    "verdict": lambda entry: entry.record.outcome or "-",
    "best score": _score,
    "time, cost": _spent,
}


def print_ledger(ledger: Ledger) -> None:
    """A run a row, oldest first; below, for each what was changed against the run before, and what came of it.

    Files that are no record though they are named like one come last.
    """
    table, console = Table(*COLUMNS), Console()
    for entry in ledger.entries:
        table.add_row(*(cell(entry) for cell in COLUMNS.values()))
    console.print(table)
    for before, entry in pairwise(ledger.entries):
        console.print(f"{before.record.name} -> {entry.record.name}", style="bold", highlight=False)
        for title, changes in (("changed", entry.cause), ("outcome", entry.effect)):
            console.print(
                f"  {title}: {'; '.join(changes) or 'nothing'}", highlight=False, soft_wrap=True, markup=False
            )
    for why in ledger.unreadable.values():
        console.print(f"unreadable: {why}", highlight=False, soft_wrap=True, markup=False)


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
