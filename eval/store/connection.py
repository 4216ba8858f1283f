"""The store's SQLite file, opened: made by one process at a time, brought to this layout, or only read.

Every fault of the file becomes a `StoreError` here, at one place.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote
from weakref import WeakSet

from sqlalchemy import Engine, ExceptionContext, QueuePool, StaticPool, create_engine, event

from eval.store.tables import ADDED, LAYOUT, Table
from foundation.errors import UserError

FILE_NAME = "grid.sqlite"
READ_ONLY = "read_only"  # the engine's own mark of a file that may not be written
PATIENCE = 30.0  # seconds that another process may hold the file
# Faults of what is asked, not of the file: a mistake of this program, and not the user's to mend.
OURS = (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.NotSupportedError)
# In place of a message of SQLite that cites bytes of the file which are no text: Python cannot hand such a one on.
ILLEGIBLE = "malformed database schema"
_DAMAGED = ("is damaged", "put a copy back if there is one, or delete it and run the grid again")
_ANOTHER = ("was written by another version", "run the grid again in another store")
# By a part of SQLite's message: what it means, and what to do. Its contents are at fault only where it says so.
WHAT_TO_DO = {
    "malformed": _DAMAGED,
    "not a database": _DAMAGED,
    "no such": _ANOTHER,
    "has no column": _ANOTHER,
    "full": ("cannot be written", "make room on its disk and run the same command again; nothing recorded is lost"),
    "readonly": ("may not be written", "allow it and its folder to this user, and run the same command again"),
    "locked": ("is in use", "wait for the other program that writes it, or stop it, and run the same command again"),
}
CHECK_ALL = (
    "cannot be opened, read or written",
    "see that its folder may be written, the disk works and has room, and run the same command again",
)


class StoreError(UserError):
    """A folder that is not a store, a store that has nothing to show yet, or a file of it that SQLite cannot use."""


_OPENED: WeakSet[Engine] = WeakSet()


def _close() -> None:
    """SQLite removes its files beside the store when the last connection to it is closed."""
    for engine in list(_OPENED):
        engine.dispose()


def connected(folder: Path) -> Engine:
    """The file of the store at `folder`, made and brought to this version's layout where it may be written.

    A file or a folder that may not be written is opened for reading. Raises StoreError.
    """
    file = folder / FILE_NAME
    if os.access(folder, os.W_OK) and (not file.exists() or os.access(file, os.W_OK)):
        engine = create_engine("sqlite://", creator=_legibly(_writer_of(file)), poolclass=QueuePool)
    else:
        reads = {READ_ONLY: True}
        reader = _legibly(_reader_of(file))
        engine = create_engine("sqlite://", creator=reader, poolclass=StaticPool, execution_options=reads)

    @event.listens_for(engine, "handle_error")
    def _name(context: ExceptionContext) -> None:
        # Every question and every write passes here, so no fault of the file is met anywhere else.
        fault = context.original_exception
        if isinstance(fault, UnicodeDecodeError):
            raise StoreError(f"{file}: {in_words(ILLEGIBLE)}") from fault
        if isinstance(fault, sqlite3.DatabaseError) and not isinstance(fault, OURS):
            raise StoreError(f"{file}: {in_words(str(fault))}") from fault

    _OPENED.add(engine)
    atexit.unregister(_close)  # once is enough
    atexit.register(_close)
    _lay_out(engine, file)
    return engine


def in_words(fault: str) -> str:
    """What SQLite's message means. Hours of rendering lie in a store, so only a file that is none any more goes."""
    advice = next((advice for part, advice in WHAT_TO_DO.items() if part in fault), CHECK_ALL)
    return f"{advice[0]} ({fault}); {advice[1]}"


def _legibly(connect: Callable[[], sqlite3.Connection]) -> Callable[[], sqlite3.Connection]:
    """The same, whose every fault is one of SQLite's."""

    def connected_or_named() -> sqlite3.Connection:
        try:
            return connect()
        except UnicodeDecodeError as error:
            raise sqlite3.DatabaseError(ILLEGIBLE) from error

    return connected_or_named


def _writer_of(file: Path) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(file, timeout=PATIENCE, check_same_thread=False)
        connection.text_factory = _text
        # Changing to WAL takes the file alone, and SQLite does not wait for that where several open it at once.
        _patiently(lambda: connection.execute("PRAGMA journal_mode=WAL"))
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    return connect


def _reader_of(file: Path) -> Callable[[], sqlite3.Connection]:
    """Where nothing may be written no lock can be taken either; what cannot change needs none.

    A write-ahead log that was left behind holds what the file lacks, so then it is read as the log asks for. A file of
    an earlier layout is read into memory, where it can be brought to this one.
    """
    log = file.with_name(f"{file.name}-wal")
    mode = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(str(file))}?{mode}", uri=True, check_same_thread=False)
        connection.text_factory = _text
        if connection.execute("PRAGMA user_version").fetchone()[0] >= LAYOUT:
            return connection
        copy = sqlite3.connect(":memory:", check_same_thread=False)
        copy.text_factory = _text
        connection.backup(copy)
        connection.close()
        return copy

    return connect


def _text(data: bytes) -> str:
    """Text that is none any more can still be looked at, named and forgotten."""
    return data.decode("utf-8", "replace")


def _patiently(attempt: Callable[[], object]) -> None:
    """Try again for as long as another process holds the file."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            attempt()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _lay_out(engine: Engine, file: Path) -> None:
    """Make what tables and columns the file lacks, one process at a time. Raises StoreError for a newer layout."""
    with engine.connect() as connection:
        found = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if found > LAYOUT:
            raise StoreError(
                f"{file}: was written by a newer version (its layout is {found}, this one knows {LAYOUT}); "
                "update LoRA studio, or use another store"
            )
        if found == LAYOUT:
            return
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the others wait here, and then find it done
        if connection.exec_driver_sql("PRAGMA user_version").scalar_one() != LAYOUT:
            there = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'picture'").first()
            for statement in ADDED if there else ():
                connection.exec_driver_sql(statement)
            Table.metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {LAYOUT}")
        connection.commit()
