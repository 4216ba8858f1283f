"""Where a store's rows are kept if not in its folder: a Postgres database by its SQLAlchemy URL, and a schema of it.

No password is taken, kept or shown: it is libpq's own matter (PGPASSWORD, ~/.pgpass, a service file).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

if TYPE_CHECKING:
    from sqlalchemy import URL

DRIVER = "postgresql+psycopg"
KINDS = ("postgres", "postgresql", DRIVER)
SECRETS = ("password", "sslpassword")
LONGEST_NAME = 63  # bytes that Postgres gives a name
SCHEMA = re.compile(r"[a-z_][a-z0-9_]*")
TAKEN = ("public", "information_schema")


@dataclass(frozen=True)
class DatabaseName:
    """A database's URL, without a password, and the schema in it that is the store's own; "": one is yet to be made."""

    url: str
    schema: str

    @property
    def place(self) -> str:
        """The database as it is called in sentences, and by whoever connects to it: without a user."""
        return place_of(self.url)

    def __str__(self) -> str:
        return f"{self.place}, schema {self.schema}" if self.schema else self.place


def place_of(url: str) -> str:
    """A URL without its user and driver."""
    parsed = _parsed(url)
    bare = parsed.create("postgresql", host=parsed.host, port=parsed.port, database=parsed.database, query=parsed.query)
    return bare.render_as_string(hide_password=True)


def checked_url(written: str) -> str:
    """The URL as SQLAlchemy takes it. Raises ValueError, which repeats nothing of it: a password may stand anywhere."""
    kind, _, rest = written.partition("://")
    if kind not in KINDS or not rest:
        raise ValueError(f'is no URL of a Postgres database; write "{DRIVER}://HOST/DATABASE"')
    url = _parsed(written)
    if url.password is not None or any(key in url.query for key in SECRETS):
        raise ValueError(
            "has a password in it, which would stand in files; take it out, and give it in PGPASSWORD, in ~/.pgpass or "
            "in a service file of libpq"
        )
    return url.set(drivername=DRIVER).render_as_string(hide_password=True)


def checked_schema(written: str) -> str:
    """The name of a schema. Raises ValueError."""
    if not SCHEMA.fullmatch(written) or len(written) > LONGEST_NAME or written in TAKEN or written.startswith("pg_"):
        raise ValueError(
            f"{written}: a schema is called by lower-case letters, digits and _, beginning with no digit, "
            f"{LONGEST_NAME} at most; it is the store's alone, so it is not {TAKEN[0]}, and pg_.. are Postgres' own"
        )
    return written


DatabaseUrl = Annotated[str, AfterValidator(checked_url)]
SchemaName = Annotated[str, AfterValidator(checked_schema)]


def _parsed(url: str) -> URL:
    from sqlalchemy import make_url  # needed where a database is named alone
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        # Neither chained nor repeated: what cannot be read may be a password with an unwritten `@` in it.
        raise ValueError(f'cannot be read; write "{DRIVER}://USER@HOST:PORT/DATABASE"') from None
