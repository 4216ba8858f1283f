"""The commands of trainer. Each parses, builds one object and calls one function; errors become one or two lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from foundation.command_line import run_app

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]


@app.callback()
def _commands() -> None:
    """Train LoRAs of one subject from kohya dataset folders: one LoRA file an epoch, and a record of the run."""


@app.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The run's configuration, a TOML file.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run; an error where none was begun.")] = False,
    as_json: Json = False,
) -> None:
    """Train a LoRA. A finished run is not made again; one that was stopped or killed goes on where its state is.

    On several GPUs: accelerate launch -m trainer run CONFIG
    """
    from foundation.progress import terminal
    from trainer.config.config import read_config
    from trainer.learning.processes import is_first_process
    from trainer.records.record import require_begun
    from trainer.running.run import run_training

    settings = read_config(config)
    if resume:
        require_begun(settings)
    with terminal() as reporter:
        record = run_training(settings, reporter)
    if not is_first_process():
        return
    if as_json:
        print(record.model_dump_json())
        return
    print(f"{record.steps} steps in {record.seconds:.0f} s: {len(record.files)} checkpoints in {record.folder}")
    print(record.verdicts[-1].words)


@app.command()
def runs(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="Where to look, and in every folder below.")
    ] = Path("runs"),
    as_json: Json = False,
) -> None:
    """List runs: settings, verdict, best score where there is one, and what differs from the run before."""
    from trainer.records.ledger import read_ledger
    from trainer.records.ledger_table import ledger_json, print_ledger

    ledger = read_ledger(folder)
    if as_json:
        print(ledger_json(ledger))
        return
    print_ledger(ledger)


@app.command("import-kohya")
def import_kohya(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="kohya_ss's .json, or sd-scripts' .toml.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Where to write it; without, it is printed.")] = None,
    as_json: Json = False,
) -> None:
    """Turn a kohya_ss settings file into a configuration of ours, and list what could not be carried over and why."""
    import json

    from foundation.files import write_text
    from trainer.kohya.settings import as_toml, carry_over, read_settings

    imported = carry_over(read_settings(file))
    if out:
        write_text(out, as_toml(imported))
    for key, why in imported.not_carried.items():
        print(f"not carried over: {key}: {why}", file=sys.stderr)
    if as_json:
        print(json.dumps({"settings": imported.tables, "not_carried": imported.not_carried}))
    elif not out:
        print(as_toml(imported), end="")


def main() -> None:
    run_app(app)


if __name__ == "__main__":
    main()
