"""`eval rank`: the cells of a grid in order, as a table or for programs."""

from __future__ import annotations

import json

import typer

from eval.store.store_argument import StoreFolder
from foundation.command_line import Json


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("rank")(rank_command)


def rank_command(store: StoreFolder, as_json: Json = False) -> None:
    """Rank the cells of a grid, best first, with intervals and ties."""
    from eval.reporting.ranked_grid import open_ranked
    from eval.reporting.ranking_table import print_ranking
    from eval.reporting.run_scores import write_run_scores

    ranked = open_ranked(store)
    write_run_scores(ranked)
    if as_json:
        print(json.dumps(ranked.as_json()))
    else:
        print_ranking(ranked.rows, ranked.evidence)
