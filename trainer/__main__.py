"""The commands of trainer. Each parses, builds one object and calls one function; errors become one or two lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.command_line import run_app

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]


@app.callback()
def _commands() -> None:
    """Train LoRAs of one subject from kohya dataset folders: one LoRA file an epoch, and a record of the run."""


@app.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The run's configuration, a TOML file.")],
    as_json: Json = False,
) -> None:
    """Train a LoRA. A run that is already finished is not made again; one that was killed starts over."""
    from trainer.config import read_config
    from trainer.progress import terminal
    from trainer.run import run_training

    with terminal() as reporter:
        record = run_training(read_config(config), reporter)
    if as_json:
        print(record.model_dump_json())
        return
    print(f"{record.steps} steps in {record.seconds:.0f} s: {len(record.files)} checkpoints in {record.folder}")


def main() -> None:
    run_app(app)


if __name__ == "__main__":
    main()
