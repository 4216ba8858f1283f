"""The command `trainer runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foundation.command_line import Json


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("runs")(runs)


def runs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to look, and in every folder below.")] = Path(
        "runs"
    ),
    as_json: Json = False,
) -> None:
    """List runs: settings, verdict, best score where there is one, and what differs from the run before."""
    from foundation.printing import print_lines
    from trainer.records.ledger import read_ledger
    from trainer.records.ledger_table import ledger_json, print_ledger

    ledger = read_ledger(folder)
    if as_json:
        print(ledger_json(ledger))
        return
    if not ledger.entries and not ledger.unreadable:
        none = "no run was begun there or below; `trainer run` writes into the folder that [output] names"
        print_lines([f"{folder}: {none}"])
        return
    print_ledger(ledger)
