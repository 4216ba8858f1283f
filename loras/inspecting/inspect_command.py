"""`eval inspect`: what LoRA files hold, and whether they are sound."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from foundation.command_line import BAD_ANSWER
from loras.command_options import Json


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("inspect")(inspect_command)


def inspect_command(
    loras: Annotated[list[Path], typer.Argument(metavar="LORA", help="LoRA files, or folders of them.")],
    base: Annotated[
        str | None, typer.Option("--base", metavar="BASE", help="Measure against this base model's own weights.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what LoRA files hold, how far they move the base, and whether they are worth rendering.

    Exit code 1: at least one file is broken.
    """
    from foundation.progress import counted, starting, terminal

    with starting():
        from loras.checkpoints.base_weights import open_base
        from loras.inspecting.inspect_lora import inspect_lora, lora_files
        from loras.inspecting.inspection_table import print_reports

    files = lora_files(loras)
    with terminal(), ExitStack() as stack:
        weights = None if base is None else stack.enter_context(open_base(base))
        reports = [inspect_lora(path, weights) for path in counted(files, "inspecting", len(files))]
    if as_json:
        print(json.dumps([report.as_json() for report in reports], allow_nan=False))
    else:
        print_reports(reports)
    if any(report.verdict.name == "broken" for report in reports):
        raise typer.Exit(BAD_ANSWER)
