"""`eval convert`: a LoRA file in another tool's spelling, moving every module as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from loras.command_options import DTYPES, Dtype, Json
from loras.converting.targets import target_called, targets_in_words

FOR_HELP = f"Who is to read it. {targets_in_words()}."
DTYPE_HELP = "The file's type; without it the parent's own, or float32 where a scale cannot go into that exactly."


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("convert")(convert_command)


def convert_command(
    lora: Annotated[Path, typer.Argument(metavar="LORA", help="A LoRA file, in any spelling.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .safetensors file to write.")],
    tool: Annotated[str, typer.Option("--for", metavar="TOOL", help=FOR_HELP)],
    dtype: Annotated[Dtype | None, typer.Option(metavar=DTYPES, help=DTYPE_HELP)] = None,
    as_json: Json = False,
) -> None:
    """Write a LoRA file as another tool spells it: the same deltas, to 1e-6, whatever the spelling.

    Fused projections (Flux' qkv) are split, and split ones joined, exactly: parts by stacking their ranks. Differing
    alphas become one, or go into the factors. The file is read back and compared before it is put in place; what no
    such file can hold is refused, with why.
    """
    from foundation.printing import print_lines
    from foundation.progress import starting, terminal

    target = target_called(tool)
    with starting():
        import torch

        from loras.converting.convert_lora import convert

    with terminal() as reporter:
        converted = convert(lora, output, target, None if dtype is None else getattr(torch, dtype), reporter)
    if as_json:
        print(json.dumps(converted.as_json(), allow_nan=False))
        return
    print_lines(converted.lines())
