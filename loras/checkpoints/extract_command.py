"""`eval extract`: the difference of two checkpoints out as a LoRA."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from loras.command_options import CHECKPOINT, DTYPES, Dtype, Json


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("extract")(extract_command)


def extract_command(
    tuned: Annotated[str, typer.Argument(metavar="TUNED", help=f"The tuned model: {CHECKPOINT}.")],
    base: Annotated[str, typer.Argument(metavar="BASE", help="The model that it was tuned from, in either layout.")],
    rank: Annotated[
        str,
        typer.Option(
            metavar="RULE", help="A number, auto (99 % of the energy), energy=0.999, sv_fro=0.98 or sv_ratio=20."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .safetensors file to write.")],
    conv_rank: Annotated[
        str | None,
        typer.Option(metavar="RULE", help="The same for 3x3 convolutions; takes the UNet's resnets in, too."),
    ] = None,
    dtype: Annotated[Dtype, typer.Option(metavar=DTYPES, help="The file's type.")] = "float16",
    as_json: Json = False,
) -> None:
    """Make a LoRA of what tuning did to a model: each module's best approximation of that rank, its error stated.

    The error printed is the distance from the difference, relative to its norm, of the factors that the written file
    was read back to hold.
    """
    from foundation.printing import print_lines
    from foundation.progress import starting, terminal

    with starting():
        import torch

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
    print_lines(extracted.lines("the difference"))
    if extracted.unheld_tensors:
        beyond = "norms, biases, embeddings" if conv_rank else "3x3 convolutions (see --conv-rank), norms, embeddings"
        more = (
            f"{extracted.unheld_tensors} more tensors differ, {100 * extracted.unheld:.1f} % of the difference's norm"
        )
        print_lines([f"{more}; the file does not hold them: {beyond}, and the like"])
