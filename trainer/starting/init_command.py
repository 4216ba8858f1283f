"""The command `trainer init`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from foundation.command_line import Json


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files of this subject are written.")],
    base: Annotated[
        str | None, typer.Option(metavar="MODEL", help="A .safetensors file, a diffusers folder or a hub id.")
    ] = None,
    train: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Holds kohya's folders: REPEATS_WORDS, captions in them.")
    ] = None,
    reg: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Such folders of others of the class.")] = None,
    references: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Pictures of the subject that are not trained on.")
    ] = None,
    hold_out: Annotated[
        int | None, typer.Option(metavar="N", help="Or: N training pictures become them; named, and moved with --move.")
    ] = None,
    move: Annotated[bool, typer.Option("--move", help="Move what --hold-out chooses, captions too.")] = False,
    trigger: Annotated[
        str | None, typer.Option(metavar="WORDS", help="The subject's own word in the captions.")
    ] = None,
    class_word: Annotated[
        str | None, typer.Option("--class", metavar="WORD", help="What it is: person, woman, dog.")
    ] = None,
    preset: Annotated[
        Literal["portrait", "miniature"] | None, typer.Option(metavar="NAME", help="Settings to start from: portrait.")
    ] = None,
    subject: Annotated[
        Literal["face", "image"] | None,
        typer.Option(metavar="face|image", help="What likeness is of; without, the class word tells."),
    ] = None,
    faces: Annotated[
        str | None, typer.Option(metavar="PACK", help="The face model: buffalo_l, a folder, opencv:FOLDER.")
    ] = None,
    clip: Annotated[
        str | None, typer.Option(metavar="MODEL", help="A CLIP: local-dir:FOLDER, hf-hub:NAME or ARCHITECTURE/TAG.")
    ] = None,
    price_per_hour: Annotated[
        float | None, typer.Option(metavar="PRICE", help="What the machine costs, in any currency.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FILE.TABLE.KEY=VALUE", help="Another value, as train.training.epochs=8."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    as_json: Json = False,
) -> None:
    """Begin with a subject: write train.toml, grid.toml and prompts.toml for it, every path looked at.

    In a terminal, what is not given is asked for. Files that are there are not overwritten.
    """
    from foundation.progress import terminal
    from trainer.starting.questions import answered
    from trainer.starting.report import as_json as document
    from trainer.starting.report import in_words
    from trainer.starting.request import StartRequest
    from trainer.starting.start import begin

    asked = StartRequest(
        folder, base, train, reg, references, hold_out, move, trigger, class_word, preset, subject, faces, clip,
        price_per_hour, tuple(change or ()), force,
    )  # fmt: skip
    asked.check_nothing_is_lost()
    if sys.stdin.isatty() and sys.stderr.isatty():
        asked = answered(asked, _ask, lambda line: typer.echo(line, err=True))
    asked.check_answered()
    with terminal() as reporter:
        started = begin(asked, reporter)
    print(json.dumps(document(started)) if as_json else in_words(started))


def _ask(question: str, otherwise: str, /) -> str:
    return str(typer.prompt(question, default=otherwise, show_default=bool(otherwise), err=True))
