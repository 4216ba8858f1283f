"""The command `trainer check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foundation.command_line import BAD_ANSWER, Json
from foundation.key_reference.explain_option import explain_option

if TYPE_CHECKING:
    from foundation.key_reference.key_facts import KeyFact

Dataset = Annotated[
    Path,
    typer.Argument(
        metavar="DATASET",
        help="A run's train.toml, or its folder; or one of Train/ and Reg/, or of kohya's folders (10_ohwx woman).",
    ),
]
References = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Pictures of the subject that are not trained on.")
]
Faces = Annotated[
    str | None, typer.Option(metavar="PACK", help="The face model: buffalo_l, a folder, opencv:FOLDER, or none.")
]
Base = Annotated[
    str | None,
    typer.Option(metavar="MODEL", help="The base model of the run: it draws the trigger, to see if it is known."),
]
Trigger = Annotated[str | None, typer.Option(metavar="WORDS", help="The subject's own word in the captions.")]
ClassWord = Annotated[str | None, typer.Option("--class", metavar="WORD", help="What it is: person, woman, dog.")]
Resolution = Annotated[
    int | None, typer.Option(metavar="PIXELS", min=32, max=2048, help="The training size; 768, or as train.toml says.")
]
ThresholdsFile = Annotated[
    Path | None, typer.Option("--thresholds", metavar="TOML", help="Values of your own that findings begin at.")
]
Cache = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where measured values are kept.")]
Page = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page with pictures, too.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("check")(check)


def _keys() -> list[KeyFact]:
    from trainer.checking.thresholds import threshold_keys

    return threshold_keys()


def _say_rules(asked: bool) -> None:
    if asked:
        from foundation.printing import print_lines
        from trainer.checking.reporting.rules_listing import rules_listing

        print_lines(rules_listing())
        raise typer.Exit()


def check(
    dataset: Dataset,
    references: References = None,
    faces: Faces = None,
    base: Base = None,
    trigger: Trigger = None,
    class_word: ClassWord = None,
    resolution: Resolution = None,
    thresholds: ThresholdsFile = None,
    cache: Cache = None,
    html: Page = None,
    explain: Annotated[str | None, explain_option(_keys)] = None,
    rules: Annotated[
        bool, typer.Option("--rules", is_eager=True, callback=_say_rules, help="List all rules, and stop.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Look at a dataset before training: what would fail, what to mend first, what is worth knowing.

    Nothing in it is changed. Exit code 1: something is to be mended, or training will fail.
    """
    from foundation.printing import print_lines
    from foundation.progress import starting, terminal

    with starting():
        from trainer.checking.reporting.listing import listing
        from trainer.checking.reporting.page import check_page_place, write_page
        from trainer.checking.reporting.report_document import document
        from trainer.checking.request import CheckRequest
        from trainer.checking.whole.check import checked

    request = CheckRequest(dataset, references, faces, base, trigger, class_word, resolution, thresholds, cache)
    if html is not None:
        check_page_place(html)
    with terminal() as reporter:
        if base is not None:
            from trainer.checking.whole.trigger_on_base import check_base

            check_base(request)
        report = checked(request, reporter)
        if base is not None:
            from trainer.checking.whole.trigger_on_base import trigger_findings

            report = report.joined(trigger_findings(request, reporter))
    if html is not None:
        write_page(report, html)
    if as_json:
        print(json.dumps(document(report)))
    else:
        print_lines(listing(report))
    if report.verdict != "ready":
        raise typer.Exit(BAD_ANSWER)
