"""Options of the commands that draw: servers of the user's own, by their addresses."""

from __future__ import annotations

from typing import Annotated

import typer

Comfy = Annotated[
    str | None,
    typer.Option(
        metavar="URL[,URL..]",
        help="Draw by ComfyUI, with the workflow that [comfy] names; several servers draw side by side.",
    ),
]
A1111 = Annotated[
    str | None,
    typer.Option(
        "--a1111",
        metavar="URL[,URL..]",
        help="Draw by A1111 or Forge, started with --api, with the model loaded there.",
    ),
]
AllowRemote = Annotated[
    bool, typer.Option("--allow-remote", help="Let servers be other machines; prompts and names of LoRAs go there.")
]
