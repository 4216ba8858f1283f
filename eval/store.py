"""The store of a grid: a folder with pictures and a SQLite file (WAL) of what is known about them.

A row is written only after its picture file is in place, a batch in one transaction, so a kill leaves nothing half.
Embeddings are kept per model hash: every metric is recomputed from them without a model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import JSON, URL, Engine, String, create_engine, event, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from trainer.errors import UserError
from trainer.files import sweep_partial

FILE_NAME = "grid.sqlite"
PICTURES = "pictures"


class StoreError(UserError):
    """A folder that is not a store, or a store that has nothing to show yet."""


class _Table(DeclarativeBase):
    """The declarative base of the store's tables."""


class FactRow(_Table):
    """A fact about the whole store: the last grid's plan, its protocol, its models."""

    __tablename__ = "fact"
    key: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[dict[str, object]] = mapped_column(JSON)


class PictureRow(_Table):
    """A rendered picture; `failure` says why it shows nothing, None where it shows something."""

    __tablename__ = "picture"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    cell: Mapped[str] = mapped_column(String, index=True)
    prompt: Mapped[str]
    seed: Mapped[int]
    failure: Mapped[str | None]


class EmbeddingRow(_Table):
    """What a model read from a picture, a text or a reference (`subject`): `vector` None where it found nothing.

    `count` is the number of faces for a face model, 1 elsewhere.
    """

    __tablename__ = "embedding"
    subject: Mapped[str] = mapped_column(String, primary_key=True)
    model: Mapped[str] = mapped_column(String, primary_key=True)
    count: Mapped[int]
    vector: Mapped[bytes | None]


@dataclass(frozen=True)
class Reading:
    """One model's reading of one thing: a unit vector (D,) or None, and how many of its kind were found."""

    vector: np.ndarray | None
    count: int = 1


class Store:
    """An open store. `folder` holds the SQLite file and the pictures."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder = folder
        self._engine = engine

    def picture_path(self, picture_id: str) -> Path:
        return self.folder / PICTURES / picture_id[:2] / f"{picture_id}.png"

    def known_pictures(self) -> dict[str, str | None]:
        """Every picture's id with its failure."""
        with Session(self._engine) as session:
            return dict(session.execute(select(PictureRow.id, PictureRow.failure)).tuples().all())

    def add_pictures(self, rows: Iterable[PictureRow]) -> None:
        """Record pictures whose files are in place, all or none."""
        with Session(self._engine) as session, session.begin():
            for row in rows:
                session.merge(row)

    def readings(self, model: str) -> dict[str, Reading]:
        """Everything `model` (a hash) has read, by subject."""
        with Session(self._engine) as session:
            rows = session.execute(
                select(EmbeddingRow.subject, EmbeddingRow.vector, EmbeddingRow.count).where(EmbeddingRow.model == model)
            ).all()
        return {subject: Reading(_vector(stored), count) for subject, stored, count in rows}

    def add_readings(self, model: str, readings: dict[str, Reading]) -> None:
        with Session(self._engine) as session, session.begin():
            for subject, reading in readings.items():
                stored = None if reading.vector is None else reading.vector.astype("<f4").tobytes()
                session.merge(EmbeddingRow(subject=subject, model=model, count=reading.count, vector=stored))

    def fact(self, key: str) -> dict[str, object] | None:
        with Session(self._engine) as session:
            row = session.get(FactRow, key)
            return None if row is None else row.value

    def set_fact(self, key: str, value: dict[str, object]) -> None:
        with Session(self._engine) as session, session.begin():
            session.merge(FactRow(key=key, value=value))

    def close(self) -> None:
        self._engine.dispose()


def create_store(folder: Path) -> Store:
    """Open the store at `folder`, making it if it is not there; half-written pictures of a killed run are swept."""
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    for shelf in (folder / PICTURES).iterdir():
        sweep_partial(shelf)
    return _connect(folder)


def open_store(folder: Path) -> Store:
    """Open a store that exists. Raises StoreError where there is none."""
    if not (folder / FILE_NAME).is_file():
        raise StoreError(f"{folder}: not a store (it has no {FILE_NAME}); make one with `python -m eval grid SPEC`")
    return _connect(folder)


def _connect(folder: Path) -> Store:
    engine = create_engine(URL.create("sqlite", database=str(folder / FILE_NAME)))

    @event.listens_for(engine, "connect")
    def _use_wal(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA busy_timeout=30000")
        cursor.close()

    try:
        _Table.metadata.create_all(engine)
    except DatabaseError as error:
        raise StoreError(
            f"{folder / FILE_NAME}: is damaged ({error.orig}); delete it and run the grid again"
        ) from error
    return Store(folder, engine)


def _vector(stored: bytes | None) -> np.ndarray | None:
    return None if stored is None else np.frombuffer(stored, dtype="<f4")
