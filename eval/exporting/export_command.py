"""The command `eval export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from eval.store.store_argument import StoreFolder
from foundation.command_line import Json


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("export")(export)


def export(
    store: StoreFolder,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .safetensors file to write.")],
    cell: Annotated[
        str, typer.Option("--cell", metavar="CELL", help="best, the number of a row of `rank`, or a cell's id.")
    ] = "best",
    as_json: Json = False,
) -> None:
    """Write a cell as one LoRA file that renders the same at weight 1 in A1111, ComfyUI and diffusers."""
    from foundation.printing import print_lines
    from foundation.progress import starting, terminal

    with starting():
        from eval.exporting.export import choose_cell, export_cell
        from eval.reporting.ranked_grid import open_ranked

    ranked = open_ranked(store)
    row = choose_cell(ranked.grid, ranked.rows, cell)
    with terminal() as reporter, reporter.waiting("exporting"):
        written = export_cell(ranked.grid, row, output)
    if as_json:
        print(json.dumps(written.as_json(row)))
    else:
        print_lines(written.in_lines(row))
