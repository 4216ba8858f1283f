"""`--explain KEY`: what is said of a key, and nothing else is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from foundation.key_reference.key_facts import KeyFact, explained
from foundation.printing import print_lines


def explain_option(keys: Callable[[], list[KeyFact]]) -> Any:
    """An option that says what is known of a key and ends the command; `keys` are asked for only then."""

    def say(asked: str | None) -> None:
        if asked is not None:
            print_lines(explained(keys(), asked).splitlines())
            raise typer.Exit()

    return typer.Option(
        "--explain", metavar="KEY", is_eager=True, callback=say, help="Say what a key of the file means, and stop."
    )
