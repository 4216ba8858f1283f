"""The command `trainer init`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from foundation.command_line import BAD_ANSWER, Json

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files of this subject are written.")]
Base = Annotated[str | None, typer.Option(metavar="MODEL", help="A .safetensors file, a diffusers folder or a hub id.")]
Train = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Holds kohya's folders: REPEATS_WORDS, captions in them.")
]
Reg = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Such folders of others of the class.")]
References = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Pictures of the subject that are not trained on.")
]
HoldOut = Annotated[
    int | None, typer.Option(metavar="N", help="Or: N training pictures become them; named, and moved with --move.")
]
Move = Annotated[bool, typer.Option("--move", help="Move what --hold-out chooses, captions too.")]
Trigger = Annotated[str | None, typer.Option(metavar="WORDS", help="The subject's own word in the captions.")]
ClassWord = Annotated[str | None, typer.Option("--class", metavar="WORD", help="What it is: person, woman, dog.")]
Preset = Annotated[
    Literal["portrait", "miniature"] | None, typer.Option(metavar="NAME", help="Settings to start from: portrait.")
]
Subject = Annotated[
    Literal["face", "image"] | None,
    typer.Option(metavar="face|image", help="What likeness is of; without, the class word tells."),
]
Faces = Annotated[str | None, typer.Option(metavar="PACK", help="The face model: buffalo_l, a folder, opencv:FOLDER.")]
Clip = Annotated[
    str | None, typer.Option(metavar="MODEL", help="A CLIP: local-dir:FOLDER, hf-hub:NAME or ARCHITECTURE/TAG.")
]
Price = Annotated[float | None, typer.Option(metavar="PRICE", help="What the machine costs, in any currency.")]
Change = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FILE.TABLE.KEY=VALUE", help="Another value, as train.training.epochs=8."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("init")(init)


def init(
    folder: Folder,
    base: Base = None,
    train: Train = None,
    reg: Reg = None,
    references: References = None,
    hold_out: HoldOut = None,
    move: Move = False,
    trigger: Trigger = None,
    class_word: ClassWord = None,
    preset: Preset = None,
    subject: Subject = None,
    faces: Faces = None,
    clip: Clip = None,
    price_per_hour: Price = None,
    change: Change = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Begin with a subject: write train.toml, grid.toml and prompts.toml for it, every path looked at.

    In a terminal, what is not given is asked for. Files that are there are not overwritten.
    """
    from foundation.printing import complain, print_lines
    from foundation.progress import starting, terminal

    with starting():
        from trainer.starting.questions import answered
        from trainer.starting.report import as_json as document
        from trainer.starting.report import in_words
        from trainer.starting.request import NotMovedError, StartRequest
        from trainer.starting.start import begin

    asked = StartRequest(
        folder, base, train, reg, references, hold_out, move, trigger, class_word, preset, subject, faces, clip,
        price_per_hour, tuple(change or ()), force,
    )  # fmt: skip
    asked.check_nothing_is_lost()
    if sys.stdin.isatty() and sys.stderr.isatty():
        asked = answered(asked, _ask, complain)
    asked.check_answered()
    try:
        with terminal() as reporter:
            started = begin(asked, reporter)
    except NotMovedError as told:
        complain(str(told))
        raise typer.Exit(BAD_ANSWER) from told
    if as_json:
        print(json.dumps(document(started)))
    else:
        print_lines(in_words(started).splitlines())


def _ask(question: str, otherwise: str, /) -> str:
    return str(typer.prompt(question, default=otherwise, show_default=bool(otherwise), err=True))
