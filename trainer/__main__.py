"""The commands of trainer. Each parses, builds one object and calls one function; errors become one or two lines."""

from __future__ import annotations

from foundation.command_line import commands_app, run_app, run_process
from trainer.calibrating import plan_command
from trainer.captioning import caption_command
from trainer.checking.whole import check_command
from trainer.kohya import import_command
from trainer.preparing import prepare_command
from trainer.records import runs_command
from trainer.regularizing import regularize_command
from trainer.running import run_command
from trainer.starting import init_command

app = commands_app()


@app.callback()
def _commands() -> None:
    """Train LoRAs of one subject from kohya dataset folders: one LoRA file an epoch, and a record of the run."""


for command in (
    init_command,
    check_command,
    caption_command,
    regularize_command,
    prepare_command,
    plan_command,
    run_command,
    runs_command,
    import_command,
):
    command.register(app)


def main() -> None:
    """The script `trainer`."""
    run_app(app)


if __name__ == "__main__":
    run_process(main)
