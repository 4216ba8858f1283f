"""The command `trainer caption`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from foundation.command_line import Json
from trainer.captioning.request import Model

Dataset = Annotated[Path, typer.Argument(metavar="DATASET", help="Folders of pictures, as Train, or one of them.")]
Second = Annotated[
    Path | None,
    typer.Argument(metavar="[PATH]", help="Behind --model tagger: its ONNX file or folder.", show_default=False),
]
Models = Annotated[
    list[Model] | None,
    typer.Option("--model", metavar="MODEL", help="clip, tagger or blip; several of them vote: give it again."),
]
TaggerPath = Annotated[
    Path | None, typer.Option("--tagger", metavar="PATH", help="A WD or DeepDanbooru ONNX, its tag list beside it.")
]
Clip = Annotated[
    str | None, typer.Option(metavar="MODEL", help="A CLIP: local-dir:FOLDER, hf-hub:NAME or ARCHITECTURE/TAG.")
]
BlipName = Annotated[
    str | None, typer.Option("--blip", metavar="MODEL", help="A BLIP: a folder, or a model of the hub.")
]
Faces = Annotated[
    str | None, typer.Option(metavar="PACK", help="Finds the face for CLIP: buffalo_l, opencv:FOLDER; none: no face.")
]
VocabularyFile = Annotated[
    Path | None, typer.Option("--vocabulary", metavar="FILE", help="What may be said, a TOML file of your own.")
]
PhrasesFile = Annotated[
    Path | None, typer.Option("--phrases", metavar="FILE", help="What is never said, a TOML file of your own.")
]
Template = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help='As "{trigger} {class}, {expression}"; its slots are the vocabulary\'s.'),
]
Trigger = Annotated[
    str | None, typer.Option(metavar="WORDS", help="The subject's own word; without, as folders have it.")
]
ClassWord = Annotated[str | None, typer.Option("--class", metavar="WORD", help="What it is: person, woman, dog.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Pictures that have a caption get another one.")]
Review = Annotated[
    Path | None, typer.Option(metavar="FILE.csv", help="Write a table to look through, and no captions.")
]
Table = Annotated[
    Path | None, typer.Option("--from", metavar="FILE.csv", help="Read that table back: write its captions.")
]
Replace = Annotated[str | None, typer.Option("--replace", metavar="FIND", help="Words to replace in all captions.")]
By = Annotated[str | None, typer.Option("--with", metavar="TEXT", help='What stands in their place; "": nothing.')]
Regex = Annotated[bool, typer.Option("--regex", help="FIND is a regular expression.")]
Clean = Annotated[bool, typer.Option("--clean", help="Take phrases that captioners invent out of all captions.")]
Undo = Annotated[bool, typer.Option("--undo", help="Put the last change back.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("caption")(caption)


def caption(
    folder: Dataset,
    second: Second = None,
    models: Models = None,
    tagger: TaggerPath = None,
    clip: Clip = None,
    blip: BlipName = None,
    faces: Faces = None,
    vocabulary: VocabularyFile = None,
    phrases: PhrasesFile = None,
    template: Template = None,
    trigger: Trigger = None,
    class_word: ClassWord = None,
    overwrite: Overwrite = False,
    review: Review = None,
    table: Table = None,
    replace: Replace = None,
    by: By = None,
    regex: Regex = False,
    clean: Clean = False,
    undo: Undo = False,
    as_json: Json = False,
) -> None:
    """Write captions, the trigger first, by one captioner or the vote of several; or change those that are there.

    Captions that are there stay unless --overwrite. Each change can be undone. What may be said stands in a vocabulary,
    what captioners invent is taken out by a list; both are files that you can edit a copy of.
    """
    from foundation.printing import print_lines
    from foundation.progress import starting, terminal

    with starting():
        from trainer.captioning.caption import caption as captioned
        from trainer.captioning.request import CaptionRequest, with_tagger_told
        from trainer.captioning.wording import as_json as document
        from trainer.captioning.wording import in_words

    asked = CaptionRequest(
        folder, tuple(models or ()), tagger, clip, blip, faces, vocabulary, phrases, template, trigger, class_word,
        overwrite, review, table, replace, by, regex, clean, undo,
    )  # fmt: skip
    asked = with_tagger_told(asked, second)
    with terminal() as reporter:
        done = captioned(asked, reporter)
    if as_json:
        print(json.dumps(document(asked, done)))
    else:
        print_lines(in_words(asked, done))
