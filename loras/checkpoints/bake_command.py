"""`eval bake`: LoRAs into a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from loras.command_options import CHECKPOINT, DTYPES, Dtype, Json


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("bake")(bake_command)


def bake_command(
    base: Annotated[str, typer.Argument(metavar="BASE", help=f"The model to bake into: {CHECKPOINT}.")],
    loras: Annotated[
        list[str],
        typer.Argument(
            metavar="LORA[:WEIGHTS]",
            help="A.safetensors:unet=0.8,te=0.6,blocks=OUTALL: what is not said is 1, and blocks= comes last.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="PATH", help="What to write: a folder, or a file, as BASE is.")
    ],
    dtype: Annotated[
        Dtype | None,
        typer.Option(
            metavar=DTYPES, help="The UNet's and text encoders' new type; left out, every tensor keeps its own."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Put LoRAs of any kind (DoRA, OFT and LyCORIS' too) into a base model, which then needs no LoRA.

    They are put on in the order given. For kinds that add a delta the order does not matter; DoRA and OFT act on what
    the LoRAs before them made.
    """
    from foundation.printing import print_lines
    from foundation.progress import starting, terminal

    with starting():
        from loras.blending.weighted_lora import WeightedLora
        from loras.checkpoints.bake import BakeRequest, bake
        from loras.checkpoints.checkpoint_layout import open_checkpoint

    parts = tuple(WeightedLora.parse(text) for text in loras)
    request = BakeRequest(open_checkpoint(base), parts, output, dtype)
    with terminal() as reporter:
        baked = bake(request, reporter)
    if as_json:
        print(json.dumps({"path": str(baked.path), "sha256": baked.sha256, "modules": baked.modules}))
    else:
        print_lines([f"wrote {baked.path}: {baked.modules} modules moved"])
