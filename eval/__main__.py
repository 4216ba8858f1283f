"""The commands of eval. Each parses, builds one object and calls one function; errors become one or two lines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from eval.exporting import export_command
from eval.grid import grid_command
from eval.rescoring import score_command
from eval.search import search_command
from eval.store.store_argument import StoreFolder
from foundation.command_line import Json, run_app
from loras.blending import blend_command
from loras.checkpoints import checkpoint_commands
from loras.inspecting import inspect_commands

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _commands() -> None:
    """Render LoRA checkpoints over weights, score them, rank them, export the chosen one.

    A shell has a builtin `eval`, so write `python -m eval ...`.
    """


grid_command.register(app)


@app.command()
def rank(store: StoreFolder, as_json: Json = False) -> None:
    """Rank the cells of a grid, best first, with intervals and ties."""
    from eval.reporting.ranked_grid import open_ranked
    from eval.reporting.ranking_table import print_ranking
    from eval.reporting.run_scores import write_run_scores

    ranked = open_ranked(store)
    write_run_scores(ranked)
    if as_json:
        print(json.dumps([row.as_json() for row in ranked.rows]))
    else:
        print_ranking(ranked.rows, ranked.evidence)


score_command.register(app)


@app.command()
def report(
    store: StoreFolder,
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML file to write.")] = Path("report.html"),
) -> None:
    """Write one HTML file with ranking, curves and pictures, that opens offline, and a sheet to share beside it."""
    from eval.reporting.contact_sheet import write_sheet
    from eval.reporting.ranked_grid import open_ranked, report_data
    from eval.reporting.report import write_report

    ranked = open_ranked(store)
    write_report(report_data(ranked), output)
    sheet = output.with_suffix(".png")
    write_sheet(ranked, sheet)
    print(f"wrote {output} and {sheet}")


for commands in (export_command, search_command, blend_command, checkpoint_commands, inspect_commands):
    commands.register(app)


def main() -> None:
    """The script `eval`."""
    run_app(app)


def grid_main() -> None:
    """The script `grid`: makes the literal `eval grid SPEC` work, where the shell's builtin runs `grid SPEC`."""
    sys.argv.insert(1, "grid")
    run_app(app)


if __name__ == "__main__":
    main()
