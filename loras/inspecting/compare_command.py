"""`eval compare`: how far two LoRA files do the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from loras.command_options import Json


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("compare")(compare_command)


def compare_command(
    a: Annotated[Path, typer.Argument(metavar="A", help="A LoRA file.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    as_json: Json = False,
) -> None:
    """Say how far two LoRA files do the same, by block: direction, strength, shared subspace."""
    from foundation.progress import starting

    with starting():
        from loras.inspecting.compare_loras import compare_loras
        from loras.inspecting.comparison_table import print_comparison

    comparison = compare_loras(a, b)
    if as_json:
        print(json.dumps(comparison.as_json(), allow_nan=False))
    else:
        print_comparison(comparison)
