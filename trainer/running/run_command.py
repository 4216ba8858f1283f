"""The command `trainer run`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foundation.command_line import Json
from foundation.key_reference.explain_option import explain_option

if TYPE_CHECKING:
    from foundation.key_reference.key_facts import KeyFact


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("run")(run)


def _keys() -> list[KeyFact]:
    from trainer.kohya.run_keys import run_keys

    return run_keys()


def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The run's train.toml, or its folder.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run; an error where none was begun.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Go on although the check says that the data will fail, or a reference is trained on or shows "
            "somebody else.",
        ),
    ] = False,
    explain: Annotated[str | None, explain_option(_keys)] = None,
    as_json: Json = False,
) -> None:
    """Train a LoRA. A finished run is not made again; one that was stopped or killed goes on where its state is.

    The data is checked first, as `trainer check` does it, and nothing is trained where that says it will fail.

    On several GPUs: accelerate launch -m trainer run CONFIG
    """
    from foundation.printing import how_many, print_lines
    from foundation.progress import Silent, terminal
    from trainer.config.config import check_output, forced, read_config

    settings = forced(read_config(config)) if force else read_config(config)  # before torch, which takes seconds
    check_output(settings)
    from trainer.learning.processes import is_first_process
    from trainer.records.record import require_begun
    from trainer.running.look_first import look_first, require_ready
    from trainer.running.run import run_training

    if resume:
        require_begun(settings)
    with terminal() if is_first_process() else nullcontext(Silent()) as reporter:
        if is_first_process():
            report = look_first(config, settings, reporter)
            if not force:
                require_ready(report, settings, config, reporter)
        record = run_training(settings, reporter)
    if not is_first_process():
        return
    if as_json:
        print(record.model_dump_json())
        return
    steps, files = how_many(record.steps, "step"), how_many(len(record.files), "checkpoint")
    done = f"{steps} in {record.seconds:.0f} s: {files} in {record.folder}"
    print_lines([done, record.verdicts[-1].words])
