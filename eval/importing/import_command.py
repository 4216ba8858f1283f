"""The command `eval import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from foundation.command_line import Json

Sources = Annotated[
    list[Path], typer.Argument(metavar="SOURCE", help="Folders of pictures, zip archives, or pictures.")
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="STORE", help="The folder of the store to make.")]
Spec = Annotated[
    Path | None,
    typer.Option(metavar="TOML", help="A file with [prompts], [references], [score]: a grid's will do."),
]
Trigger = Annotated[str | None, typer.Option(metavar="WORDS", help="The words that stand for the subject.")]
ClassWord = Annotated[str | None, typer.Option("--class", metavar="WORD", help="What the subject is: person.")]
HeldOut = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Pictures of the subject that were not trained on.")
]
Training = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="The pictures that were trained on, to see copying.")
]
Kind = Annotated[
    Literal["face", "image"] | None,
    typer.Option(metavar="face|image", help="`image`: likeness of whole pictures, of a pet, an object, a drawing."),
]
Faces = Annotated[str | None, typer.Option(metavar="PACK", help="A face pack: buffalo_l, a folder, opencv:FOLDER.")]
Clip = Annotated[
    str | None, typer.Option(metavar="MODEL", help="A CLIP: ARCHITECTURE/TAG, hf-hub:NAME or local-dir:FOLDER.")
]
Likeness = Annotated[
    str | None, typer.Option(metavar="MODEL", help="Who measures whole pictures: clip, dinov2:FOLDER.")
]
Loras = Annotated[
    list[Path] | None,
    typer.Option("--loras", metavar="FOLDER", help="Where the LoRA files lie that pictures name; repeatable."),
]
ManifestFile = Annotated[
    Path | None,
    typer.Option(metavar="CSV", help="Columns file, checkpoint, weight (or unet, te), also, prompt, seed."),
]
Pattern = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="What file names say: {checkpoint}_{strength}_{prompt}_{seed}.png."),
]
Prompts = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Prompts in order: of trainers' samples, of {prompt} numbers.")
]
SeedOfAll = Annotated[
    int | None, typer.Option(metavar="NUMBER", min=0, help="The seed of pictures whose names tell none.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show rows, prompts, seeds and what was not understood; write nothing.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Go on although a reference was trained on or shows somebody else.")
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("import")(import_pictures)


def import_pictures(
    sources: Sources,
    output: Output,
    spec: Spec = None,
    trigger: Trigger = None,
    class_word: ClassWord = None,
    held_out: HeldOut = None,
    training: Training = None,
    subject: Kind = None,
    faces: Faces = None,
    clip: Clip = None,
    likeness: Likeness = None,
    loras: Loras = None,
    manifest: ManifestFile = None,
    pattern: Pattern = None,
    prompts: Prompts = None,
    seed: SeedOfAll = None,
    dry_run: DryRun = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make a store of pictures from anywhere (A1111, Forge, SwarmUI, ComfyUI, InvokeAI, trainers), to be ranked.

    Which LoRA at which weight, prompt and seed is read from each picture, or from --manifest or --pattern; a picture
    that does not tell is named and left out. Pictures of the base model by the same settings are the control. To add
    pictures later, name the old sources and the new: what is there is not copied or read again.
    """
    from foundation.printing import print_lines
    from foundation.progress import starting, terminal

    with starting():
        from eval.importing.import_spec import ImportOptions
        from eval.importing.run_import import ImportRequest, run_import
    options = ImportOptions(trigger, class_word, held_out, training, subject, faces, clip, likeness, prompts, force)
    request = ImportRequest(sources, loras or (), manifest, pattern, seed)
    with terminal() as reporter:
        done = run_import(request, spec, options, None if dry_run else output, reporter)
    if as_json:
        print(json.dumps(done.as_json()))
    else:
        print_lines(done.in_lines())
