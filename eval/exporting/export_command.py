"""The command `eval export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from eval.servers.server_options import A1111, AllowRemote, Comfy
from eval.store.store_argument import StoreFolder
from foundation.command_line import Json
from foundation.errors import ConfigurationError
from loras.command_options import DTYPES, Dtype
from loras.converting.targets import targets_in_words

RANK_HELP = "Keep so many ranks, or `auto`: 99 % of the energy. Without it, all of them."
FOR_HELP = f"Whose spelling; without it kohya's, which all of these read. {targets_in_words()}."


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("export")(export)


def export(
    store: StoreFolder,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .safetensors file to write.")],
    cell: Annotated[
        str, typer.Option("--cell", metavar="CELL", help="best, the number of a row of `rank`, or a cell's id.")
    ] = "best",
    rank: Annotated[str, typer.Option("--rank", metavar="RANK", help=RANK_HELP)] = "",
    dtype: Annotated[Dtype | None, typer.Option(metavar=DTYPES, help="The file's type; without it, as scored.")] = None,
    tool: Annotated[str, typer.Option("--for", metavar="TOOL", help=FOR_HELP)] = "",
    author: Annotated[str, typer.Option(metavar="WORDS", help="Who made it, for the file's header.")] = "",
    description: Annotated[str, typer.Option(metavar="WORDS", help="What it is, for the file's header.")] = "",
    spec: Annotated[
        Path | None,
        typer.Option(
            "--spec", metavar="SPEC", help="The grid's specification, to draw the file with --comfy or --a1111."
        ),
    ] = None,
    comfy: Comfy = None,
    a1111: A1111 = None,
    allow_remote: AllowRemote = False,
    as_json: Json = False,
) -> None:
    """Write a cell as one LoRA file that renders the same at weight 1 in A1111, ComfyUI and diffusers.

    With --spec and --comfy (or --a1111) the server that drew the grid draws the file at weight 1: write it into its
    folder of LoRAs. How far its pictures are from the scored ones is said; 1 is the exit where they are others.
    """
    from foundation.printing import print_lines
    from foundation.progress import starting, terminal

    with starting():
        from eval.exporting.export import choose_cell, export_cell
        from eval.exporting.file_form import FileForm
        from eval.exporting.server_check import check_drawn_alike, drawn_again
        from eval.reporting.ranked_grid import open_ranked
        from eval.request.spec import read_spec
        from eval.servers.drawn_elsewhere import drawn_elsewhere

    if (spec is None) != (comfy is None and a1111 is None):
        raise ConfigurationError(
            "--spec and --comfy (or --a1111) go together: with both, the file is drawn by the server"
        )
    form = FileForm.asked(rank, dtype or "", tool, author, description)
    asked = drawn_elsewhere(read_spec(spec), comfy, a1111, remote=allow_remote) if spec else None
    ranked = open_ranked(store)
    row = choose_cell(ranked.grid, ranked.rows, cell)
    chosen = ranked.grid.cell(row.cell, row.checkpoint)
    servers = check_drawn_alike(asked, ranked.grid, chosen) if asked else None
    with terminal() as reporter, reporter.waiting("exporting"):
        written = export_cell(ranked.grid, row, output, form)
    difference = None
    if servers is not None:
        with terminal() as reporter, reporter.waiting("drawing the file at weight 1"):
            difference = drawn_again(servers, ranked.grid, chosen, written)
    if as_json:
        print(json.dumps({**written.as_json(row), **({"drawn": difference.as_json()} if difference else {})}))
    else:
        print_lines([*written.in_lines(row), *(difference.in_lines() if difference else [])])
    if difference is not None and not difference.is_as_scored:
        raise typer.Exit(1)
