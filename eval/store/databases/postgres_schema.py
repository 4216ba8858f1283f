"""Rows in a schema of a Postgres database, which several machines may write at once: made under a lock, by one of them.

Every fault of the server becomes a `StoreError` here, at one place. What writes takes the schema's one row of `layout`
first, so writers come one after another as with SQLite, none waits for another in a circle, and who looks on sees by
that row alone whether anything has changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    ExceptionContext,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateSchema

from eval.request.database_name import DatabaseName
from eval.store.databases.database import PATIENCE, Database, Layout, StoreError, closed_at_last
from foundation.extras import missing_named

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert

KEPT = Table(
    "layout",
    MetaData(),
    Column("number", Integer, nullable=False),
    Column("writes", BigInteger, nullable=False),  # transactions so far
    Column("changed", BigInteger, nullable=False),  # when the last of them was, ns since 1970
)
# What a connection is asked for, unless the URL says otherwise: a machine that is gone is noticed in a minute.
ASKED = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "lora-studio",
}
# A writer that was stopped in the middle lets the others go on after so long.
IDLE = 60.0
TRIED_EVERY = 0.3  # seconds


class PostgresSchema(Database):
    """A schema with a store's tables. Pages and indexes are the server's own to check (pg_amcheck, data checksums)."""

    is_shared = True

    def insert(self, table: Table) -> PostgresInsert:
        """Postgres' own."""
        from sqlalchemy.dialects import postgresql  # a tenth of a second, which other stores are opened without

        return postgresql.insert(table)

    def begin_writing(self, session: Session) -> None:
        """Take the schema's row, and with it the turn."""
        session.execute(_waiting())
        session.execute(update(KEPT).values(writes=KEPT.c.writes + 1, changed=time.time_ns()))

    def structure_faults(self) -> list[str]:
        """Nothing of its own: what the server finds damaged while rows are read is a StoreError."""
        return []

    def last_changed(self) -> tuple[int, int]:
        """When it was last written, in ns, and how often."""
        with self.engine.connect() as connection:
            changed, writes = connection.execute(select(KEPT.c.changed, KEPT.c.writes)).one()
        return int(changed), int(writes)


def reach(url: str, called: str) -> None:
    """Raise StoreError where the database cannot be connected to."""
    engine = _engine(url, None, called)
    engine.connect().close()
    engine.dispose()


def opened_schema(named: DatabaseName, layout: Layout, called: str, patience: float) -> PostgresSchema:
    """The schema, brought to this version's layout where it is of an earlier one. Raises StoreError for none.

    `called`: what sentences call it. `patience`: seconds in which a server that is being started again is waited for.
    """
    engine = _engine(named.url, named.schema, called, patience)
    with engine.connect() as connection:
        found = _found(connection, named.schema)
    if found is None:
        raise StoreError(f"{called}: has no store; put a backup back, or begin anew with `python -m eval grid SPEC`")
    return _ready(engine, named, layout, called, found)


def made_schema(named: DatabaseName, layout: Layout, called: str, patience: float) -> PostgresSchema:
    """The same, made where it is not there, by one process at a time."""
    engine = _engine(named.url, named.schema, called, patience)
    with engine.connect() as connection:
        found = _found(connection, named.schema)
    return _ready(engine, named, layout, called, found)


def _ready(engine: Engine, named: DatabaseName, layout: Layout, called: str, found: int | None) -> PostgresSchema:
    if found is not None and found > layout.number:
        raise StoreError(f"{called}: {layout.refusal(found)}")
    if found != layout.number:
        with engine.begin() as connection:
            connection.execute(_waiting())
            connection.execute(select(func.pg_advisory_xact_lock(_key(named.schema))))
            _lay_out(connection, named.schema, layout, called)
    with engine.connect() as connection:
        may_write = connection.scalar(
            text(
                "SELECT has_table_privilege(:table, 'UPDATE') AND NOT pg_is_in_recovery() "
                "AND current_setting('transaction_read_only') = 'off'"
            ),
            {"table": f'"{named.schema}".layout'},
        )
    return PostgresSchema(engine, called, not may_write)


def _lay_out(connection: Connection, schema: str, layout: Layout, called: str) -> None:
    """Make what tables and columns the schema lacks; the others wait, and then find it done."""
    found = _found(connection, schema)
    if found is None:
        there = {"schema": schema}
        if not connection.scalar(text("SELECT 1 FROM pg_namespace WHERE nspname = :schema"), there):
            connection.execute(CreateSchema(schema))
        elif connection.scalar(text("SELECT 1 FROM pg_tables WHERE schemaname = :schema LIMIT 1"), there):
            raise StoreError(f"{called}: holds tables that are no store's; name another schema")
        layout.metadata.create_all(connection)
        KEPT.create(connection)
        connection.execute(insert(KEPT).values(number=layout.number, writes=0, changed=time.time_ns()))
    elif found < layout.number:
        connection.exec_driver_sql(f'SET LOCAL search_path TO "{schema}"')
        layout.brought_up(connection, found)
        connection.execute(update(KEPT).values(number=layout.number))


def _found(connection: Connection, schema: str) -> int | None:
    """The number of the layout that is there; None where there is none."""
    # Asked of the catalogue: names are looked up among what the connection remembers, until another transaction.
    there = text("SELECT 1 FROM pg_tables WHERE schemaname = :schema AND tablename = :table")
    if connection.scalar(there, {"schema": schema, "table": KEPT.name}) is None:
        return None
    return connection.scalar(select(KEPT.c.number))


def _waiting() -> Any:
    """What has the transaction wait for others so long and no longer, and others for it."""
    milliseconds = {"lock_timeout": PATIENCE, "idle_in_transaction_session_timeout": IDLE}
    return select(*(func.set_config(name, str(int(1000 * one)), True) for name, one in milliseconds.items()))


def _key(schema: str) -> int:
    """The number of the lock under which a schema is made: 64 bits with a sign."""
    return int.from_bytes(sha256(f"lora-studio {schema}".encode()).digest()[:8], "big", signed=True)


def _engine(url: str, schema: str | None, called: str, patience: float = 0.0) -> Engine:
    """Connections are tried before they are used, so that one that broke meanwhile is made anew."""
    options = {"schema_translate_map": {None: schema}}
    with missing_named("eval", "[store] database"):
        import psycopg
    engine = create_engine(url, pool_pre_ping=True, execution_options=options)
    tried = _Patience(patience).tried

    @event.listens_for(engine, "do_connect")
    def _connect(dialect: Any, _: object, given: Any, named: dict[str, Any]) -> DBAPIConnection:
        return tried(lambda: dialect.connect(*given, **{**_asked(named), **named}))

    @event.listens_for(engine, "handle_error")
    def _name(context: ExceptionContext) -> None:
        # Every question and every write passes here, so no fault of the server is met anywhere else.
        fault = context.original_exception
        if isinstance(fault, psycopg.Error) and not context.is_pre_ping:
            from eval.store.databases.postgres_faults import in_words

            if words := in_words(fault, context.connection is None):
                raise StoreError(f"{called}: {words}") from fault

    return closed_at_last(engine)


def _asked(named: dict[str, Any]) -> dict[str, Any]:
    """A service's file may say as much as a URL, and what is said here would go before it."""
    return {} if "service" in named else ASKED


class _Patience:
    """Waits while a server that was there is being started again: so many seconds since it was last there."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None
        self._was_there = False

    def tried(self, connect: Callable[[], DBAPIConnection]) -> DBAPIConnection:
        """A connection. Raises what the last try raised."""
        import psycopg

        from eval.store.databases.postgres_faults import will_pass

        while True:
            try:
                connection = connect()
            except psycopg.OperationalError as fault:
                self._until = self._until or time.monotonic() + self._seconds
                if not self._was_there or not will_pass(fault) or time.monotonic() > self._until:
                    raise
                time.sleep(TRIED_EVERY)
            else:
                self._until, self._was_there = None, True
                return connection
