"""Libraries' members without types, or with a part of them: what they take and give is declared by who calls them."""

from __future__ import annotations

from typing import Any


def untyped(thing: object) -> Any:
    """`thing` itself, whose members are whatever the caller declares them to be.

    For one member of a large library whose annotations leave a parameter or the answer unknown; a small library is
    described under `typings/` instead, and what torch leaves unknown in `foundation.typed.typed_torch`.
    """
    return thing
