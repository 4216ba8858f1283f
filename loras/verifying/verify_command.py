"""`eval verify`: whether a tool would load a LoRA file, which keys it would not, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from foundation.command_line import BAD_ANSWER
from loras.command_options import Json
from loras.verifying.tools import ALIASES, TOOLS

FOR_HELP = (
    f"The tool: {', '.join([*TOOLS, *ALIASES])}. May stand several times; without it, all that know the file's family."
)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("verify")(verify_command)


def verify_command(
    lora: Annotated[Path, typer.Argument(metavar="LORA", help="A LoRA file.")],
    tools: Annotated[list[str] | None, typer.Option("--for", metavar="TOOL", help=FOR_HELP)] = None,
    as_json: Json = False,
) -> None:
    """Say which keys of a file a tool would load, leave out or read at another strength: "lora key not loaded".

    Nothing is run: each tool's rules are tables here, read off its sources, and said with its version. Exit code 1: a
    tool would not do with the file what it was made to do. `python -m eval convert` writes a file that it loads.
    """
    from foundation.printing import print_lines
    from foundation.progress import starting

    with starting():
        from loras.verifying.read_facts import facts_of
        from loras.verifying.tools import tool_called
        from loras.verifying.verify_lora import verify

    asked = [tool_called(word) for word in tools or []]
    facts = facts_of(lora)
    asked = asked or [tool for tool in TOOLS.values() if facts.family in tool.families]
    found = [verify(facts, tool) for tool in asked]
    if as_json:
        print(json.dumps([one.as_json() for one in found], allow_nan=False))
    else:
        print_lines([f"{lora}: {facts.family_name}, {len(facts.modules)} modules"])
        if facts.of_another_build:
            print_lines(
                [
                    f"{facts.of_another_build} of them no public model of {facts.family_name} has: a tool loads them "
                    "into the base model alone that they were made on; what follows is said of that one"
                ]
            )
        print_lines([line for one in found for line in one.lines()])
    if not all(one.is_good for one in found):
        raise typer.Exit(BAD_ANSWER)
