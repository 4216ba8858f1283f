"""The command `trainer prepare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from foundation.command_line import BAD_ANSWER, Json
from trainer.captioning.request import Model

WIDEST = 100
To = Annotated[
    Path | None, typer.Option("--to", metavar="FOLDER", help="Where the copy is written; DATASET-prepared beside it.")
]
Keep = Annotated[
    list[str] | None,
    typer.Option(metavar="RULE", help="Set no picture aside by this rule of `trainer check`; may be given again."),
]


Caption = Annotated[
    list[Model] | None,
    typer.Option("--caption", metavar="MODEL", help="Who describes pictures without a caption: clip, blip; both vote."),
]
Clip = Annotated[str | None, typer.Option(metavar="MODEL", help="The CLIP of --caption clip.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("prepare")(prepare)


def prepare(
    dataset: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET",
            help="A run's train.toml, or its folder; or one of Train/ and Reg/, or of kohya's folders (10_ohwx woman).",
        ),
    ],
    to: To = None,
    keep: Keep = None,
    references: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Pictures of the subject that are not trained on.")
    ] = None,
    faces: Annotated[
        str | None, typer.Option(metavar="PACK", help="The face model: buffalo_l, a folder, opencv:FOLDER, or none.")
    ] = None,
    trigger: Annotated[
        str | None, typer.Option(metavar="WORDS", help="The subject's own word, put into captions that lack it.")
    ] = None,
    class_word: Annotated[
        str | None, typer.Option("--class", metavar="WORD", help="What it is: person, woman, dog.")
    ] = None,
    resolution: Annotated[
        int | None, typer.Option(metavar="PIXELS", min=32, max=2048, help="The training size.")
    ] = None,
    captioners: Caption = None,
    clip: Clip = None,
    as_json: Json = False,
) -> None:
    """Check a dataset, mend on a copy what can be mended safely, check the copy and plan its run.

    The dataset itself is never changed. Stopped, the same command goes on. Exit code 1: something remains to be mended.
    """
    from foundation.printing import console_on, print_lines
    from foundation.progress import starting, terminal

    with starting():
        from trainer.captioning.request import CaptionRequest
        from trainer.checking.request import CheckRequest
        from trainer.preparing.prepared_in_words import as_json as document
        from trainer.preparing.prepared_in_words import default_copy, prepared_lines
        from trainer.preparing.preparing import prepare as prepared

    request = CheckRequest(dataset, references, faces, trigger=trigger, class_word=class_word, resolution=resolution)
    captions = None
    if captioners:
        captions = CaptionRequest(
            dataset, tuple(captioners), clip=clip, faces=faces, trigger=trigger, class_word=class_word
        )
        captions.check()
    with terminal() as reporter:
        one = prepared(request, to or default_copy(dataset), frozenset(keep or ()), reporter, captions)
    if as_json:
        print(json.dumps(document(one)))
    else:
        print_lines(prepared_lines(one, min(console_on().width, WIDEST)))
    if one.after.verdict != "ready":
        raise typer.Exit(BAD_ANSWER)
