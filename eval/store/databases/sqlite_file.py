"""Rows in the store's own folder, in a SQLite file: made by one process at a time, brought to this layout, or read.

Every fault of the file becomes a `StoreError` here, at one place.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, ExceptionContext, QueuePool, StaticPool, Table, create_engine, event
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.orm import Session

from eval.store.databases.database import PATIENCE, Database, Layout, StoreError, closed_at_last
from eval.store.databases.network_place import network_note

FILE_NAME = "grid.sqlite"
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


class SqliteFile(Database):
    """A SQLite file in WAL mode. SQLite itself takes one writer at a time."""

    def __init__(self, engine: Engine, file: Path, is_read_only: bool) -> None:
        super().__init__(engine, str(file), is_read_only)
        self._file = file

    def insert(self, table: Table) -> Insert:
        """SQLite's own."""
        return insert(table)

    def begin_writing(self, session: Session) -> None:
        """Nothing: the first statement that writes waits for its turn."""

    def structure_faults(self) -> list[str]:
        """What SQLite's own check says of the file."""
        with self.engine.connect() as connection:
            said = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        return [f"{FILE_NAME} itself is damaged: {line}" for line in said if line != "ok"]

    def note(self) -> str | None:
        """Of a file on a network's file system."""
        return network_note(self._file.parent)


def sqlite_file(folder: Path, layout: Layout) -> SqliteFile:
    """The file of the store at `folder`, made and brought to this version's layout where it may be written.

    A file or a folder that may not be written is opened for reading. Raises StoreError.
    """
    file = folder / FILE_NAME
    is_read_only = not (os.access(folder, os.W_OK) and (not file.exists() or os.access(file, os.W_OK)))
    if is_read_only:
        engine = create_engine("sqlite://", creator=_legibly(_reader_of(file, layout)), poolclass=StaticPool)
    else:
        engine = create_engine("sqlite://", creator=_legibly(_writer_of(file)), poolclass=QueuePool)

    @event.listens_for(engine, "handle_error")
    def _name(context: ExceptionContext) -> None:
        # Every question and every write passes here, so no fault of the file is met anywhere else.
        fault = context.original_exception
        if isinstance(fault, UnicodeDecodeError):
            raise StoreError(f"{file}: {in_words(ILLEGIBLE)}") from fault
        if isinstance(fault, UnicodeEncodeError):  # of ids and hashes that a fact names
            raise StoreError(f"{file}: what it keeps of its grid {_DAMAGED[0]}; {_DAMAGED[1]}") from fault
        if isinstance(fault, sqlite3.DatabaseError) and not isinstance(fault, OURS):
            raise StoreError(f"{file}: {in_words(str(fault))}") from fault

    _lay_out(closed_at_last(engine), file, layout)
    return SqliteFile(engine, file, is_read_only)


def last_changed_file(folder: Path) -> tuple[int, int]:
    """When the file last changed, in ns. The write-ahead file changes first; an empty one is only a reader's."""
    return _changed(folder / FILE_NAME), _changed(folder / f"{FILE_NAME}-wal")


def _changed(file: Path) -> int:
    try:
        facts = file.stat()
    except OSError:  # not there, a circle of links, a folder's place taken by a file: whoever opens the store is told
        return 0
    return facts.st_mtime_ns if facts.st_size else 0


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


def _reader_of(file: Path, layout: Layout) -> Callable[[], sqlite3.Connection]:
    """Where nothing may be written no lock can be taken either; what cannot change needs none.

    A write-ahead log that was left behind holds what the file lacks, so then it is read as the log asks for. A file of
    an earlier layout is read into memory, where it can be brought to this one.
    """
    log = file.with_name(f"{file.name}-wal")
    mode = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(str(file))}?{mode}", uri=True, check_same_thread=False)
        connection.text_factory = _text
        if connection.execute("PRAGMA user_version").fetchone()[0] >= layout.number:
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


def _lay_out(engine: Engine, file: Path, layout: Layout) -> None:
    """Make what tables and columns the file lacks, one process at a time. Raises StoreError for a newer layout."""
    with engine.connect() as connection:
        found = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if found > layout.number:
            raise StoreError(f"{file}: {layout.refusal(found)}")
        if found == layout.number:
            return
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the others wait here, and then find it done
        if connection.exec_driver_sql("PRAGMA user_version").scalar_one() != layout.number:
            there = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'picture'").first()
            layout.brought_up(connection, found if there else layout.number)
            connection.exec_driver_sql(f"PRAGMA user_version = {layout.number}")
        connection.commit()
