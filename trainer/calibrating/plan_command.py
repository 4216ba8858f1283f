"""The command `trainer plan`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from foundation.command_line import Json

WIDEST = 100  # a wider terminal is no easier to read
TimeFrom = Annotated[
    Literal["steps", "anew", "arithmetic"],
    typer.Option(
        metavar="steps|anew|arithmetic",
        help="Where the time comes from. steps: a few real steps here, or those that an earlier call kept; anew: make "
        "them again; arithmetic: the model's operations alone, nothing is loaded or trained, and far less sure.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("plan")(plan)


def plan(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The run's train.toml, or its folder.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="CONFIG2", help="Another one: only what differs is shown, and figures.")
    ] = None,
    price: Annotated[
        float | None, typer.Option(metavar="PRICE", min=0, help="What the machine costs an hour, in any currency.")
    ] = None,
    suggest: Annotated[
        int | None, typer.Option(metavar="STEPS", help="Epochs, repeats and batch for about so many steps.")
    ] = None,
    time_from: TimeFrom = "steps",
    as_json: Json = False,
) -> None:
    """Say what a run will do before it does it: steps, pictures, files, memory, time, cost. Nothing of it is trained.

    What stands out against what worked is named, with its source and what to do.
    """
    begun = time.perf_counter()
    from foundation.printing import console_on, print_lines
    from foundation.progress import starting, terminal

    with starting():
        from foundation.extras import missing_named
        from trainer.config.config import check_output, read_config
        from trainer.planning.wanted_steps import check_wanted

        # Before torch, which takes seconds: what is asked may be wrong.
        configs = [read_config(path) for path in (config, other) if path is not None]
        for one in configs:
            check_output(one)
        if suggest is not None:
            check_wanted(suggest)
        from trainer.planning.plan_in_words import comparison_document, comparison_lines, plan_lines

        with missing_named("trainer plan"):
            from trainer.calibrating.forecasting import Asked, forecast

    asked = Asked(price, suggest, time_from, begun)
    with terminal() as reporter, missing_named("trainer plan"):
        first, *second = (forecast(one, asked, reporter) for one in configs)
    width = min(console_on().width, WIDEST)
    if other is None:
        document, lines = first.as_json(), plan_lines(first, width)
    else:
        document = comparison_document(first, second[0])
        lines = comparison_lines(first, second[0], told_apart(config, other), width)
    if as_json:
        print(json.dumps(document))
    else:
        print_lines(lines)


def told_apart(one: Path, other: Path) -> tuple[str, str]:
    """Short names: the files', with their folders' where those are the same."""
    if one.name != other.name:
        return one.stem, other.stem
    return f"{one.resolve().parent.name}/{one.name}", f"{other.resolve().parent.name}/{other.name}"
