"""`eval bake` and `eval extract`: LoRAs into a checkpoint, and the difference of two checkpoints out as a LoRA."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

Dtype = Literal["float16", "bfloat16", "float32"]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
CHECKPOINT = "a diffusers folder, or a .safetensors checkpoint in the original naming (SD1, SD2, SDXL)"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("bake")(bake_command)
    app.command("extract")(extract_command)


def bake_command(
    base: Annotated[str, typer.Argument(metavar="BASE", help=f"The model to bake into: {CHECKPOINT}.")],
    loras: Annotated[
        list[str],
        typer.Argument(
            metavar="LORA[:WEIGHTS]...",
            help="A.safetensors:unet=0.8,te=0.6,blocks=OUTALL: what is not said is 1, and blocks= comes last.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="What to write: a folder, or a file, as BASE is.")],
    dtype: Annotated[
        Dtype | None,
        typer.Option(help="The UNet's and text encoders' new type; left out, every tensor keeps its own."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Put LoRAs of any kind (DoRA, OFT and LyCORIS' too) into a base model, which then needs no LoRA.

    They are put on in the order given. For kinds that add a delta the order does not matter; DoRA and OFT act on what
    the LoRAs before them made.
    """
    from foundation.progress import terminal
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
        print(f"wrote {baked.path}: {baked.modules} modules moved")


def extract_command(
    tuned: Annotated[str, typer.Argument(metavar="TUNED", help=f"The tuned model: {CHECKPOINT}.")],
    base: Annotated[str, typer.Argument(metavar="BASE", help="The model that it was tuned from, in either layout.")],
    rank: Annotated[
        str, typer.Option(help="A number, auto (99 % of the energy), energy=0.999, sv_fro=0.98 or sv_ratio=20.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .safetensors file to write.")],
    conv_rank: Annotated[
        str | None, typer.Option(help="The same for 3x3 convolutions; takes the UNet's resnets in, too.")
    ] = None,
    dtype: Annotated[Dtype, typer.Option(help="The file's type.")] = "float16",
    as_json: Json = False,
) -> None:
    """Make a LoRA of what tuning did to a model: each module's best approximation of that rank, its error stated.

    The error printed is the distance from the difference, relative to its norm, of the factors that the written file
    was read back to hold.
    """
    import torch

    from foundation.progress import terminal
    from loras.blending.rank_rule import RankRule
    from loras.checkpoints.checkpoint_layout import open_checkpoint
    from loras.checkpoints.extract import ExtractRequest, extract

    request = ExtractRequest(
        open_checkpoint(tuned),
        open_checkpoint(base),
        RankRule.parse(rank),
        None if conv_rank is None else RankRule.parse(conv_rank),
        output,
        getattr(torch, dtype),
    )
    with terminal() as reporter:
        extracted = extract(request, reporter)
    if as_json:
        unheld = {"tensors": extracted.unheld_tensors, "share": extracted.unheld}
        print(json.dumps({**extracted.as_json(), "unheld": unheld}))
        return
    for line in extracted.lines("the difference"):
        print(line)
    if extracted.unheld_tensors:
        beyond = "norms, biases, embeddings" if conv_rank else "3x3 convolutions (see --conv-rank), norms, embeddings"
        print(
            f"{extracted.unheld_tensors} more tensors differ, {100 * extracted.unheld:.1f} % of the difference's norm; "
            f"the file does not hold them: {beyond}, and the like"
        )
