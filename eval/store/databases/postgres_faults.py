"""What Postgres and libpq say is wrong, in words: what it means for a store, and what to do.

Once connected a fault has a number (SQLSTATE); before that libpq gives its message alone. None has a password in it.
"""

from __future__ import annotations

import psycopg

_AGAIN = "run the same command again"
_LOST = ("broke off", f"see that the server runs, and {_AGAIN}; nothing recorded is lost")
_DAMAGED = ("is damaged", "have its administrator look (pg_amcheck, the server's log) or put a backup back")
_ANOTHER = ("was written by another version, or its tables were dropped", "put a backup back, or name another schema")
_RIGHTS = ("may not be read or written so by this user", "have its administrator grant that (docs/scale.md says what)")
_IN_USE = ("is in use", f"wait for the other program that writes it, or stop it, and {_AGAIN}")
_FULL = ("cannot be written", f"make room on the server's disk and {_AGAIN}; nothing recorded is lost")
# By the beginning of a SQLSTATE, the longest first.
BY_NUMBER = {
    "57P": _LOST,
    "08": _LOST,
    "25P03": _LOST,
    "25006": ("may not be written: the server only gives", "name the primary server, and run the same command again"),
    "42501": _RIGHTS,
    "55P03": _IN_USE,
    "57014": _IN_USE,
    "40": _IN_USE,
    "53100": _FULL,
    "53300": ("has no connection to spare", f"wait, or raise its max_connections, and {_AGAIN}"),
    "53": ("has no memory or other means to spare", f"see to the server, and {_AGAIN}"),
    "58": ("cannot be read or written by the server", f"see to the server's disk and its log, and {_AGAIN}"),
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
    "42P01": _ANOTHER,
    "42703": _ANOTHER,
    "3F000": _ANOTHER,
}
# By a part of libpq's message where no connection came about.
BY_MESSAGE = {
    "password": (
        "does not let this user in",
        "give the password in PGPASSWORD, in ~/.pgpass or in a service file of libpq (never in the URL)",
    ),
    "authentication failed": ("does not let this user in", "see which user the URL or PGUSER names"),
    "no pg_hba.conf entry": ("does not let this user in from here", "have its administrator allow it in pg_hba.conf"),
    "role": ("does not know this user", "see which user the URL or PGUSER names"),
    "database": ("is not there", "name one that is, or make it: createdb NAME"),
    "definition of service": ("names a service that is not known", "see ~/.pg_service.conf or PGSERVICEFILE"),
}
STARTING = ("starting up", "shutting down", "recovery", "not yet accepting")
_BUSY = ("has no connection to spare", f"wait, or raise its max_connections, and {_AGAIN}")
_UNREACHED = ("cannot be reached", f"see that its server runs and that host and port are right, and {_AGAIN}")


def will_pass(fault: psycopg.Error) -> bool:
    """Whether a server that is being started again refuses so: it is worth while to wait."""
    return not any(part in str(fault) for part in BY_MESSAGE) or any(part in str(fault) for part in STARTING)


def in_words(fault: psycopg.Error, is_connecting: bool) -> str | None:
    """What a fault means, and what to do, in one line; None where it is a mistake of this program."""
    said = " ".join(str(fault).split())
    advice = _of_message(said) if is_connecting else _of_number(fault)
    return advice and f"{advice[0]} ({said}); {advice[1]}"


def _of_message(said: str) -> tuple[str, str]:
    if any(part in said for part in STARTING):
        return _LOST
    if "too many" in said or "connection slots" in said:
        return _BUSY
    refusal = said.rpartition("FATAL:")[2] if "FATAL:" in said else said if "service" in said else ""
    refusal = said if "no password supplied" in said else refusal
    return next((advice for part, advice in BY_MESSAGE.items() if part in refusal), _UNREACHED)


def _of_number(fault: psycopg.Error) -> tuple[str, str] | None:
    number = fault.sqlstate
    if number is None:  # the connection broke, or libpq itself is asked for what it cannot do
        return _LOST if isinstance(fault, (psycopg.OperationalError, psycopg.InterfaceError)) else None
    known = sorted((one for one in BY_NUMBER if number.startswith(one)), key=len)
    return BY_NUMBER[known[-1]] if known else None
