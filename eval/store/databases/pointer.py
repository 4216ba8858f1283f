"""The file that says in a store's folder where its rows are, when they are not in the folder: a URL and a schema.

It holds no password, and may be copied: whoever has it, and is let into the database, opens the same store.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from pydantic import Field

from eval.request.database_name import DatabaseName, DatabaseUrl, SchemaName
from foundation.files import flush, gone_at_last, partial_beside, told_of
from foundation.toml_config import Section, in_toml, read_toml, validate

POINTER = "database.toml"
HEAD = "# Where this store's rows are. No password: that is libpq's matter (PGPASSWORD, ~/.pgpass, a service file).\n"


class Pointer(Section):
    """What the file holds."""

    database: DatabaseUrl
    """The database's SQLAlchemy URL."""
    schema_name: SchemaName = Field(alias="schema")
    """The schema in it that is the store's own."""


def read_pointer(folder: Path) -> DatabaseName | None:
    """Where the rows of the store at `folder` are; None where they are in it. Raises ConfigurationError."""
    file = folder / POINTER
    if not file.exists():
        return None
    found = validate(Pointer, read_toml(file), file)
    return DatabaseName(found.database, found.schema_name)


def put_pointer(folder: Path, named: DatabaseName) -> None:
    """Say it in a new store's folder. Of several processes the first one's stands, whole from the beginning."""
    path = folder / POINTER
    beside = partial_beside(path)
    with told_of(path, beside), gone_at_last(beside):
        lines = (f"{key} = {in_toml(value)}\n" for key, value in (("database", named.url), ("schema", named.schema)))
        beside.write_text(HEAD + "".join(lines), encoding="utf-8")
        flush(beside)
        with suppress(FileExistsError):
            os.link(beside, path)
        flush(folder)


def new_schema(folder: Path) -> str:
    """A name that tells people whose it is, and that no other store has."""
    where = re.sub(r"[^a-z0-9]+", "_", f"{folder.resolve().parent.name} {folder.name}".lower()).strip("_")
    return f"lora_{where[:40]}_{uuid4().hex[:8]}"
