"""The command `eval score`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from eval.store.store_argument import StoreFolder
from foundation.command_line import Json


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("score")(score)


def score(
    store: StoreFolder,
    spec: Annotated[
        Path | None,
        typer.Argument(
            metavar="SPEC", help="A specification whose [references], [score] and [limits] apply; options come first."
        ),
    ] = None,
    held_out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Held-out pictures of the subject, in place of those before.")
    ] = None,
    training: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The pictures that were trained on, to see copying.")
    ] = None,
    subject: Annotated[
        Literal["face", "image"] | None,
        typer.Option(metavar="face|image", help="`image`: likeness of whole pictures, of a pet, an object, a drawing."),
    ] = None,
    faces: Annotated[
        str | None,
        typer.Option(metavar="PACK", help="A face pack's folder, insightface's name of one, or opencv:FOLDER."),
    ] = None,
    clip: Annotated[
        str | None, typer.Option(metavar="MODEL", help="A CLIP: local-dir:FOLDER, hf-hub:NAME or ARCHITECTURE/TAG.")
    ] = None,
    second_faces: Annotated[
        str | None,
        typer.Option(
            metavar="PACK", help="An independent face model for a second opinion, named as --faces, or `none`."
        ),
    ] = None,
    likeness: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Who measures it of whole pictures: clip, dinov2:FOLDER, dinov2:HUB-NAME."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Go on although a held-out picture was trained on or shows somebody else.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Score the pictures of a store anew, against other references or by other models, and rank them.

    Nothing is rendered, and a model is loaded only for pictures that it has not seen.
    """
    from foundation.progress import starting, terminal

    with starting():
        from eval.reporting.ranked_grid import open_ranked
        from eval.reporting.ranking_table import print_ranking
        from eval.request.spec import read_spec
        from eval.rescoring.first_judgement import judge
        from eval.rescoring.rescore import RescoreRequest
    wanted = RescoreRequest(held_out, training, subject, faces, clip, second_faces, force, force, likeness=likeness)
    with terminal() as reporter:
        judge(store, read_spec(spec) if spec else None, wanted, reporter)
    ranked = open_ranked(store)
    if as_json:
        print(json.dumps(ranked.as_json()))
    else:
        print_ranking(ranked.rows, ranked.evidence)
