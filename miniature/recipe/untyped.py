"""Libraries' members without types; the miniature, which everything may import, imports none of the rooms' own."""

from __future__ import annotations

from typing import Any


def untyped(thing: object) -> Any:
    """`thing` itself, whose members are whatever the caller declares them to be."""
    return thing
