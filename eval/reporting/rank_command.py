"""`eval rank`: the cells of a grid in order, as a table or for programs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from eval.store.store_argument import StoreFolder
from foundation.command_line import Json


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("rank")(rank_command)


def rank_command(
    store: StoreFolder,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="Only these columns, by their headings, in this order.")
    ] = None,
    wide: Annotated[bool, typer.Option("--wide", help="Every column, however narrow the terminal is.")] = False,
    rows: Annotated[int, typer.Option(metavar="N", min=1, help="How many rows, best first.")] = 20,
    as_json: Json = False,
) -> None:
    """Rank the cells of a grid, best first, with intervals and ties.

    A row's number names its cell: `python -m eval export STORE --cell 3`.
    """
    from foundation.progress import starting

    with starting():
        from eval.reporting.ranked_grid import open_ranked
        from eval.reporting.ranking_table import TableChoice, print_ranking
        from eval.reporting.run_scores import write_run_scores

    ranked = open_ranked(store)
    write_run_scores(ranked)
    if as_json:
        print(json.dumps(ranked.as_json()))
    else:
        print_ranking(ranked.rows, ranked.evidence, TableChoice(columns, wide, rows))
