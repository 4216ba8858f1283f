"""The command `eval import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from foundation.command_line import Json


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("import")(import_pictures)


def import_pictures(
    sources: Annotated[
        list[Path], typer.Argument(metavar="SOURCE", help="Folders of pictures, zip archives, or pictures.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="STORE", help="The folder of the store to make.")],
    spec: Annotated[
        Path | None,
        typer.Option(
            metavar="TOML", help="A file with [prompts] trigger, class; [references]; [score]: a grid's will do."
        ),
    ] = None,
    trigger: Annotated[str | None, typer.Option(metavar="WORDS", help="The words that stand for the subject.")] = None,
    class_word: Annotated[
        str | None, typer.Option("--class", metavar="WORD", help="What the subject is: person.")
    ] = None,
    held_out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Pictures of the subject that were not trained on.")
    ] = None,
    training: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The pictures that were trained on, to see copying.")
    ] = None,
    subject: Annotated[
        Literal["face", "image"] | None,
        typer.Option(metavar="face|image", help="`image`: likeness of whole pictures, of a pet, an object, a drawing."),
    ] = None,
    faces: Annotated[
        str | None, typer.Option(metavar="PACK", help="A face pack: buffalo_l, a folder, opencv:FOLDER.")
    ] = None,
    clip: Annotated[
        str | None, typer.Option(metavar="MODEL", help="A CLIP: ARCHITECTURE/TAG, hf-hub:NAME or local-dir:FOLDER.")
    ] = None,
    likeness: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Who measures whole pictures: clip, dinov2:FOLDER.")
    ] = None,
    loras: Annotated[
        list[Path] | None,
        typer.Option("--loras", metavar="FOLDER", help="Where the LoRA files lie that pictures name; repeatable."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Columns file, checkpoint, weight (or unet, te), also, prompt, seed."),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What file names say: {checkpoint}_{strength}_{prompt}_{seed}.png."),
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Prompts in order: of trainers' samples, of {prompt} numbers.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=0, help="The seed of pictures whose names tell none.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show rows, prompts, seeds and what was not understood; write nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Go on although a reference was trained on or shows somebody else.")
    ] = False,
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
        from eval.importing.import_spec import ImportOptions, asked_subject, import_spec
        from eval.importing.import_words import done_lines, plan_json, plan_lines
        from eval.importing.run_import import ImportRequest, plan_import
    options = ImportOptions(trigger, class_word, held_out, training, subject, faces, clip, likeness, prompts, force)
    who, dtype = asked_subject(spec, options)
    whole = None if dry_run else import_spec(spec, options)
    request = ImportRequest(sources, who, loras or (), manifest, pattern, seed, dtype)
    with terminal() as reporter:
        planned = plan_import(request)
        if whole is None:
            told = plan_json(planned)
            lines = list(plan_lines(planned, (who.trigger, who.class_word)))
        else:
            from eval.importing.import_store import write_import

            written = write_import(output, planned.grid, whole, sources, reporter)
            told = plan_json(planned) | {"store": str(output), "new": written.new, "failed": written.failed}
            told["damaged"] = [{"picture": one, "why": why} for one, why in written.damaged.items()]
            lines = list(done_lines(planned, written, str(output), (who.trigger, who.class_word)))
    if as_json:
        print(json.dumps(told))
    else:
        print_lines(lines)
