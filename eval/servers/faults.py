"""What goes wrong with a server: what another may do better, and what no server will do."""

from __future__ import annotations

from foundation.errors import UserError

LONGEST = 300


class ServerFaultError(Exception):
    """A server that could not draw a picture; another one, or the same one later, may. Never seen by a user."""


class OutOfMemoryFaultError(ServerFaultError):
    """A server whose device had no memory left."""


class ServerRefusedError(UserError):
    """A server that refuses what is asked for, and will again. The text says what to change."""


def shortened(text: object) -> str:
    """What a server said, on one line and no longer than is read."""
    return " ".join(str(text).split())[:LONGEST]
