"""The commands of eval. Each parses, builds one object and calls one function; errors become one or two lines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from eval.reporting import rank_command, report_command
from eval.search import search_command
from eval.store.store_argument import StoreFolder
from foundation.command_line import Json, run_app
from loras.blending import blend_command
from loras.checkpoints import bake_command, extract_command
from loras.inspecting import compare_command, inspect_command

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _commands() -> None:
    """Render LoRA checkpoints over weights, score them, rank them, export the chosen one.

    A shell has a builtin `eval`, so write `python -m eval ...`.
    """


@app.command()
def grid(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The grid's specification, a TOML file.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it will take (pictures, time, GPU-hours, cost); render nothing.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(metavar="auto|ADDRESS", help="Render on Ray: start one here, or join the head at HOST:PORT."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Render and score checkpoint x UNet weight x text-encoder weight. What exists is not made again."""
    from eval.grid.run_grid import run_grid
    from eval.reporting.run_scores import write_scores_of
    from eval.request.spec import read_spec
    from foundation.progress import terminal

    if dry_run:
        from eval.grid.forecast import forecast

        expected = forecast(read_spec(spec))
        print(json.dumps(expected.as_json()) if as_json else expected)
        return
    with terminal() as reporter:
        outcome = run_grid(read_spec(spec), reporter, ray)
    write_scores_of(outcome.store)
    facts = {
        "store": str(outcome.store),
        "cells": outcome.cells,
        "rendered": outcome.rendered,
        "existing": outcome.existing,
        "failed": outcome.failed,
    }
    if as_json:
        print(json.dumps(facts))
        return
    print(
        f"{outcome.cells} cells: {outcome.rendered} pictures rendered, {outcome.existing} were there, "
        f"{outcome.failed} show nothing.\nNext: python -m eval rank {outcome.store}"
    )


rank_command.register(app)


@app.command()
def score(
    store: StoreFolder,
    spec: Annotated[
        Path | None,
        typer.Argument(
            metavar="SPEC", help="A specification whose [references], [score] and [limits] apply; options come first."
        ),
    ] = None,
    held_out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Held-out pictures of the subject, in place of those before.")
    ] = None,
    training: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The pictures that were trained on, to see copying.")
    ] = None,
    subject: Annotated[
        Literal["face", "image"] | None,
        typer.Option(metavar="face|image", help="`image`: likeness by CLIP, for a pet, an object, a drawing."),
    ] = None,
    faces: Annotated[
        str | None, typer.Option(metavar="PACK", help="A face pack's folder, or insightface's name of one.")
    ] = None,
    clip: Annotated[
        str | None, typer.Option(metavar="MODEL", help="A CLIP: local-dir:FOLDER, hf-hub:NAME or ARCHITECTURE/TAG.")
    ] = None,
    second_faces: Annotated[
        str | None, typer.Option(metavar="PACK", help="An independent face pack for a second opinion, or `none`.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Go on although a held-out picture is in the training set.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Score the pictures of a store anew, against other references or by other models, and rank them.

    Nothing is rendered, and a model is loaded only for pictures that it has not seen.
    """
    from eval.reporting.ranked_grid import open_ranked
    from eval.reporting.ranking_table import print_ranking
    from eval.request.spec import read_spec
    from eval.rescoring.rescore import Wanted, rescore, wanted_by
    from foundation.progress import terminal

    wanted = Wanted(held_out, training, subject, faces, clip, second_faces, force)
    wanted = wanted_by(read_spec(spec), wanted) if spec else wanted
    with terminal() as reporter:
        rescore(store, wanted, reporter)
    ranked = open_ranked(store)
    if as_json:
        print(json.dumps(ranked.as_json()))
    else:
        print_ranking(ranked.rows, ranked.evidence)


report_command.register(app)


@app.command()
def export(
    store: StoreFolder,
    output: Annotated[Path, typer.Option("-o", "--output", help="The .safetensors file to write.")],
    cell: Annotated[str, typer.Option("--cell", help="`best`, or a cell's id as `rank` shows it.")] = "best",
    as_json: Json = False,
) -> None:
    """Write a cell as one LoRA file that renders the same at weight 1 in A1111, ComfyUI and diffusers."""
    from eval.exporting.export import choose_cell, export_cell
    from eval.reporting.ranked_grid import open_ranked

    ranked = open_ranked(store)
    row = choose_cell(ranked.grid, ranked.rows, cell)
    written = export_cell(ranked.grid, row, output)
    if as_json:
        print(json.dumps(written.as_json(row)))
    else:
        print(f"wrote {written.path} ({row.checkpoint}, {row.weights}) and {written.preview}")


for command in (search_command, blend_command, bake_command, extract_command, inspect_command, compare_command):
    command.register(app)


def main() -> None:
    """The script `eval`."""
    run_app(app)


def grid_main() -> None:
    """The script `grid`: makes the literal `eval grid SPEC` work, where the shell's builtin runs `grid SPEC`."""
    sys.argv.insert(1, "grid")
    run_app(app)


if __name__ == "__main__":
    main()
