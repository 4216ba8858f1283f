"""The commands of eval: registered here, each declared beside what it runs."""

from __future__ import annotations

import sys

from eval.exporting import export_command
from eval.grid import grid_command
from eval.importing import import_command
from eval.reporting import rank_command, report_command
from eval.rescoring import score_command
from eval.search import search_command
from eval.store import store_command
from foundation.command_line import commands_app, run_app, run_process
from loras.blending import blend_command
from loras.checkpoints import bake_command, extract_command
from loras.converting import convert_command
from loras.inspecting import compare_command, inspect_command
from loras.verifying import verify_command

app = commands_app()
COMMANDS = (
    grid_command,
    import_command,
    rank_command,
    score_command,
    report_command,
    export_command,
    search_command,
    blend_command,
    convert_command,
    bake_command,
    extract_command,
    inspect_command,
    compare_command,
    verify_command,
    store_command,
)


@app.callback()
def _commands() -> None:
    """Render LoRA checkpoints over weights, score them, rank them, export the chosen one.

    A shell has a builtin `eval`, so write `python -m eval ...`.
    """


for command in COMMANDS:
    command.register(app)


def main() -> None:
    """The script `eval`."""
    run_app(app)


def grid_main() -> None:
    """The script `grid`: makes the literal `eval grid SPEC` work, where the shell's builtin runs `grid SPEC`."""
    sys.argv.insert(1, "grid")
    run_app(app)


if __name__ == "__main__":
    run_process(main)
