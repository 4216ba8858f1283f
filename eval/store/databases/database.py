"""What a store asks of whatever keeps its rows; `sqlite_file.py` and `postgres_schema.py` answer, each its own way."""

from __future__ import annotations

import atexit
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakSet

from sqlalchemy import Column, Connection, Dialect, Engine, MetaData, Table
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateColumn

from foundation.errors import UserError

if TYPE_CHECKING:  # each of them loads its whole dialect
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
    from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

PATIENCE = 30.0  # seconds that another process may hold what is asked for


class StoreError(UserError):
    """A folder that is not a store, a store that has nothing to show yet, or rows that its database does not give."""


@dataclass(frozen=True)
class Layout:
    """The tables of this version: `number` is theirs, `added` the columns that each has more than the one before."""

    number: int
    metadata: MetaData
    added: Mapping[int, Sequence[Column[object]]]

    def brought_up(self, connection: Connection, found: int) -> None:
        """Add what tables of the number `found` lack."""
        for number in range(found + 1, self.number + 1):
            for column in self.added[number]:
                connection.exec_driver_sql(_added(column, connection.dialect))
        self.metadata.create_all(connection)

    def refusal(self, found: int) -> str:
        """What to say of a newer one."""
        return (
            f"was written by a newer version (its layout is {found}, this one knows {self.number}); "
            "update LoRA studio, or use another store"
        )


def _added(column: Column[object], dialect: Dialect) -> str:
    return f"ALTER TABLE {column.table.name} ADD COLUMN {CreateColumn(column).compile(dialect=dialect)}"


class Database(ABC):
    """Where a store's rows are kept, opened. `name` is what sentences call it.

    `is_read_only`: whether this user may not write there. `is_shared`: whether other folders may show the same rows.
    """

    is_shared = False

    def __init__(self, engine: Engine, name: str, is_read_only: bool) -> None:
        self.engine = engine
        self.name = name
        self.is_read_only = is_read_only

    @abstractmethod
    def insert(self, table: Table) -> SqliteInsert | PostgresInsert:
        """An INSERT that knows what to do where a row of that key is there."""

    @contextmanager
    def writing(self) -> Generator[Session]:
        """A transaction that writes: all of it or nothing, and one at a time."""
        with Session(self.engine) as session, session.begin():
            self.begin_writing(session)
            yield session

    @abstractmethod
    def begin_writing(self, session: Session) -> None:
        """What a transaction that writes begins with."""

    def replace(self, session: Session, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        """Write whole rows, over those of the same key, in one statement: asking for each first costs ten times as
        much."""
        if rows:
            written = self.insert(table)
            keys = [column.name for column in table.primary_key]
            others = {column.name: written.excluded[column.name] for column in table.columns if not column.primary_key}
            session.execute(written.on_conflict_do_update(index_elements=keys, set_=others), rows)

    @abstractmethod
    def structure_faults(self) -> list[str]:
        """What the database's own check says is wrong, in words."""

    def note(self) -> str | None:
        """What whoever writes there should hear, or None."""
        return None


_OPENED: WeakSet[Engine] = WeakSet()


def closed_at_last(engine: Engine) -> Engine:
    """Have the engine's connections closed when the process ends: SQLite removes its files beside the store then."""
    _OPENED.add(engine)
    atexit.unregister(_close)  # once is enough
    atexit.register(_close)
    return engine


def _close() -> None:
    for engine in list(_OPENED):
        engine.dispose()
