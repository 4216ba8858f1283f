"""`eval blend`: several LoRAs at weights -> one file, with its error stated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from loras.blending.merge_methods import (
    EXACT_SUM,
    densities_in_words,
    meaning_of,
    merge_called,
    method_names,
    methods_in_words,
    methods_of_whole_deltas,
)
from loras.command_options import DTYPES, Dtype, Json

LORAS_HELP = (
    "A.safetensors:unet=0.8,te=0.6,blocks=OUTALL: what is not said is 1. unet may be called transformer or model; te1= "
    "and te2= are text encoders apart; blocks= comes last and is a preset's name, 17 or 26 numbers (SDXL: 12 or 20; "
    "FLUX.1: 61; other families: BASE, START, their blocks, END), or *attn2*=0.5;*ff_net*=0"
)
RANK_HELP = "Compress: a number, auto (99 % of the energy), energy=0.999, sv_fro=0.98 or sv_ratio=20."
METHOD_HELP = f"{methods_in_words()}. Of whole deltas, so with --rank, are {', '.join(methods_of_whole_deltas())}."
DENSITY_HELP = f"{meaning_of('density')}. Unless said: {densities_in_words()}."


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("blend")(blend_command)


def blend_command(
    loras: Annotated[list[str], typer.Argument(metavar="LORA[:WEIGHTS]", help=LORAS_HELP)],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .safetensors file to write.")],
    method: Annotated[str, typer.Option(metavar="|".join(method_names()), help=METHOD_HELP)] = EXACT_SUM,
    rank: Annotated[str | None, typer.Option(metavar="RULE", help=RANK_HELP)] = None,
    density: Annotated[float | None, typer.Option(metavar="SHARE", min=0.01, max=1.0, help=DENSITY_HELP)] = None,
    seed: Annotated[int, typer.Option(metavar="N", help=f"{meaning_of('seed')}.")] = 0,
    dtype: Annotated[Dtype, typer.Option(metavar=DTYPES, help="The file's type.")] = "float16",
    form: Annotated[
        Literal["kohya", "diffusers"],
        typer.Option("--format", metavar="kohya|diffusers", help="Whose keys are written."),
    ] = "kohya",
    base: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="diffusers: the model to take names from, if it is no SD1, SD2 or SDXL."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Blend LoRAs into one that does at weight 1 what they do together: exactly, or smaller with --rank.

    The error printed is the distance from the exact sum, relative to its norm, by block and in all, of the factors that
    the written file was read back to hold.
    """
    from foundation.files import hashed_meanwhile
    from foundation.printing import complain, print_lines
    from foundation.progress import starting, terminal
    from loras.blending.weighted_lora import WeightedLora

    parts = tuple(WeightedLora.parse(text) for text in loras)
    for part in parts:
        if doubt := part.weights.beyond_use:
            complain(f"{part.name}: {doubt}")
    paths = [part.path for part in parts]
    with hashed_meanwhile(path for path in paths if path.is_file()) as sha256:
        with starting():
            import torch

            from loras.blending.blend_files import BlendRequest, write_blend
            from loras.blending.diffusers_names import names_for
            from loras.blending.rank_rule import RankRule

        request = BlendRequest(
            parts,
            output,
            None if rank is None else RankRule.parse(rank),
            merge_called(method, density, seed),
            getattr(torch, dtype),
            names_for(paths, base) if form == "diffusers" else None,
        )
        with terminal() as reporter:
            blended = write_blend(request, reporter, sha256)
    if as_json:
        print(json.dumps(blended.as_json()))
        return
    print_lines(blended.lines("the exact sum"))
