"""The command `eval grid`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eval.servers.server_options import A1111, AllowRemote, Comfy
from foundation.command_line import Json
from foundation.key_reference.explain_option import explain_option

if TYPE_CHECKING:
    from foundation.key_reference.key_facts import KeyFact


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("grid")(grid)


def _keys() -> list[KeyFact]:
    from eval.request.grid_keys import grid_keys

    return grid_keys()


def grid(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The grid's specification, a TOML file.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it will take (pictures, time, cost); render nothing.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(metavar="auto|ADDRESS", help="Render on Ray: start one here, or join the head at HOST:PORT."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Go on although a reference was trained on or shows somebody else.")
    ] = False,
    comfy: Comfy = None,
    a1111: A1111 = None,
    allow_remote: AllowRemote = False,
    explain: Annotated[str | None, explain_option(_keys)] = None,
    as_json: Json = False,
) -> None:
    """Render and score checkpoint x UNet weight x text-encoder weight. What exists is not made again."""
    from eval.request.plan import make_plans
    from eval.request.prompts import read_prompts
    from eval.request.references import find_references
    from eval.request.spec import forced, read_spec
    from eval.servers.drawn_elsewhere import drawn_elsewhere
    from foundation.printing import how_many, print_lines
    from foundation.progress import terminal

    asked = drawn_elsewhere(forced(read_spec(spec)) if force else read_spec(spec), comfy, a1111, remote=allow_remote)
    read_prompts(asked.prompts)  # what cannot be drawn is said before anything is loaded
    if dry_run:
        with terminal() as reporter, reporter.waiting("working out what it will take"):
            planned = find_references(asked.references), make_plans(asked)  # before half a minute of libraries' start
            from eval.grid.forecast import forecast_of

            expected = forecast_of(asked, *planned)
        if as_json:
            print(json.dumps(expected.as_json()))
        else:
            print_lines(str(expected).splitlines())
        return
    from eval.grid.run_grid import run_grid
    from eval.reporting.run_scores import write_scores_of

    with terminal() as reporter:
        outcome = run_grid(asked, reporter, ray)
    write_scores_of(outcome.store)
    facts = {
        "store": str(outcome.store),
        "cells": outcome.cells,
        "rendered": outcome.rendered,
        "existing": outcome.existing,
        "failed": outcome.failed,
    }
    if as_json:
        print(json.dumps(facts))
        return
    rendered = how_many(outcome.rendered, "picture")
    done = f"{how_many(outcome.cells, 'cell')}: {rendered} rendered, {outcome.existing} were there"
    ranking = f"Next: python -m eval rank {shlex.quote(str(outcome.store))}"
    print_lines([f"{done}, {outcome.failed} show nothing.", ranking])
