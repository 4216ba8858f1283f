"""The command `trainer regularize`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from foundation.command_line import BAD_ANSWER, Json

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="The run's train.toml, or its folder.")]
Count = Annotated[int, typer.Option(metavar="N", min=1, max=99_999, help="How many pictures there are in the end.")]
Output = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="The parent of the folder `1_CLASS`; without, data.reg, or Reg beside Train."),
]
Trigger = Annotated[str | None, typer.Option(metavar="WORDS", help="The subject's own word in the captions.")]
ClassWord = Annotated[str | None, typer.Option("--class", metavar="WORD", help="What it is: person, woman, dog.")]
Faces = Annotated[
    str | None,
    typer.Option(metavar="PACK", help="The face model: buffalo_l, a folder, opencv:FOLDER; none: look at no face."),
]
FirstSeed = Annotated[int, typer.Option(metavar="N", min=0, max=2**31, help="Of the first picture's noise.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("regularize")(regularize)


def regularize(
    config: Config,
    count: Count,
    output: Output = None,
    trigger: Trigger = None,
    class_word: ClassWord = None,
    faces: Faces = None,
    seed: FirstSeed = 1,
    as_json: Json = False,
) -> None:
    """Draw reg pictures: the class as the base model has it, from the captions, without the subject.

    The trigger gives way to the class word, looks are left unsaid. Pictures that show nothing, no face, the subject's
    face, or what is there already are drawn anew. Run it again after a kill: nothing is drawn twice. Drawn as a grid
    draws, with the sampler of [samples], on all GPUs that there are. Exit code 1: there are fewer than N.
    """
    from foundation.printing import print_lines
    from foundation.progress import starting, terminal

    with starting():
        from trainer.config.config import read_config

        settings = read_config(config)  # before torch, which takes seconds
        from trainer.regularizing.regularize import regularize as drawn
        from trainer.regularizing.request import RegOptions, settle
        from trainer.regularizing.wording import as_json as document
        from trainer.regularizing.wording import in_words

    request = settle(settings, RegOptions(count, output, trigger, class_word, faces, seed))
    with terminal() as reporter:
        done = drawn(request, reporter)
    if as_json:
        print(json.dumps(document(done)))
    else:
        print_lines(in_words(done))
    if not done.is_whole:
        raise typer.Exit(BAD_ANSWER)
