"""A store's rows, wherever they are: in its folder (`grid.sqlite`), or in a database that its `database.toml` names."""

from __future__ import annotations

import time
from pathlib import Path

from eval.request.database_name import DatabaseName
from eval.store.databases.database import PATIENCE, Database, StoreError
from eval.store.databases.pointer import POINTER, new_schema, put_pointer, read_pointer
from eval.store.databases.postgres_schema import PostgresSchema, made_schema, opened_schema, reach
from eval.store.databases.sqlite_file import FILE_NAME, last_changed_file, sqlite_file
from eval.store.tables import LAYOUT
from foundation.errors import UserError

__all__ = ["FILE_NAME", "STORE_FILES", "StoreError", "connected", "is_store", "last_changed", "made"]

# One of these files makes a folder a store.
STORE_FILES = (FILE_NAME, POINTER)
AGAIN_AFTER = 5.0  # seconds in which a database that could not be opened is not asked whether it has changed


def is_store(folder: Path) -> bool:
    """Whether there is a store in the folder."""
    return any((folder / one).is_file() for one in STORE_FILES)


def connected(folder: Path) -> Database:
    """The rows of the store at `folder`, which is there. Raises StoreError, ConfigurationError."""
    named = read_pointer(folder)
    if named is None:
        return sqlite_file(folder, LAYOUT)
    return opened_schema(named, LAYOUT, _called(folder, named), PATIENCE)


def made(folder: Path, asked: DatabaseName | None = None) -> Database:
    """The same, made if there is no store yet: in the database that is `asked` for, or else in the folder.

    A schema "" is one of its own. Raises StoreError, also where the store's rows are elsewhere than asked for.
    """
    kept = read_pointer(folder)
    if asked is None:
        return sqlite_file(folder, LAYOUT) if kept is None else _made_schema(folder, kept)
    if (folder / FILE_NAME).exists():
        raise StoreError(
            f"{folder}: has rows of its own ({FILE_NAME}), and none in a database; leave `database` out of [store], or "
            "name another path there"
        )
    named = kept or _named_first(folder, asked)
    if (asked.place, asked.schema or named.schema) != (named.place, named.schema):
        raise StoreError(
            f"{folder}: its rows are in {named}, and [store] names {asked}; name the former, or another path; where "
            f"the database has moved, say so in {folder / POINTER}"
        )
    return _made_schema(folder, named)


def _made_schema(folder: Path, named: DatabaseName) -> Database:
    return made_schema(named, LAYOUT, _called(folder, named), PATIENCE)


def _named_first(folder: Path, asked: DatabaseName) -> DatabaseName:
    """What is asked for, kept in the folder once the database is reached; or what another process was sooner with."""
    named = DatabaseName(asked.url, asked.schema or new_schema(folder))
    reach(named.url, _called(folder, named))
    put_pointer(folder, named)
    return read_pointer(folder) or named


def last_changed(folder: Path) -> tuple[int, int]:
    """When the store last changed, in ns, and a number that is another after each change; zeros where none tells."""
    try:
        named = read_pointer(folder)
    except UserError:  # whoever opens the store is told
        return 0, 0
    return last_changed_file(folder) if named is None else _last_changed_in(named, folder)


# Databases that are looked at again and again, as pages do; and until when those are left alone that did not answer.
_WATCHED: dict[DatabaseName, PostgresSchema] = {}
_LEFT_ALONE: dict[DatabaseName, float] = {}


def _last_changed_in(named: DatabaseName, folder: Path) -> tuple[int, int]:
    if time.monotonic() < _LEFT_ALONE.get(named, 0.0):
        return 0, 0
    try:
        if named not in _WATCHED:
            _WATCHED[named] = opened_schema(named, LAYOUT, _called(folder, named), patience=0.0)
        return _WATCHED[named].last_changed()
    except UserError:
        _LEFT_ALONE[named] = time.monotonic() + AGAIN_AFTER
        return 0, 0


def _called(folder: Path, named: DatabaseName) -> str:
    return f"{folder}: its database {named}"
