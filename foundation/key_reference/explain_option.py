"""`--explain KEY`: what is said of a key, and nothing else is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from foundation.printing import print_lines

if TYPE_CHECKING:
    from foundation.key_reference.key_facts import KeyFact


def explain_option(keys: Callable[[], list[KeyFact]]) -> Any:
    """An option that says what is known of a key and ends the command; `keys` are asked for only then."""

    def say(asked: str | None) -> None:
        if asked is not None:
            # Loads pydantic, which the other commands' start does without.
            from foundation.key_reference.key_facts import explained

            print_lines(explained(keys(), asked).splitlines())
            raise typer.Exit()

    return typer.Option(
        "--explain", metavar="KEY", is_eager=True, callback=say, help="Say what a key of the file means, and stop."
    )
