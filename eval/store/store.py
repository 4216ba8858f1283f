"""The store of a grid: a folder with pictures and a SQLite file (WAL) of what is known about them.

A row is written only after its picture file is in place, a batch in one transaction, so a kill leaves nothing half.
Embeddings are kept per model hash: every metric is recomputed from them without a model.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import (
    JSON,
    URL,
    Engine,
    ExceptionContext,
    Select,
    String,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from eval.store.picture_files import picture_place
from foundation.chunks import chunks
from foundation.errors import UserError
from foundation.files import sweep_partial

FILE_NAME = "grid.sqlite"
PICTURES = "pictures"
# Faults of what is asked, not of the file: a mistake of this program, and not the user's to mend.
OURS = (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.NotSupportedError)
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
ASKED_AT_ONCE = 500  # SQLite takes a limited number of values in one question


class StoreError(UserError):
    """A folder that is not a store, a store that has nothing to show yet, or a file of it that SQLite cannot use."""


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


class SpentRow(_Table):
    """What was rendered for one request (its hash): written with the pictures themselves, so no kill comes between."""

    __tablename__ = "spent"
    request: Mapped[str] = mapped_column(String, primary_key=True)
    pictures: Mapped[int]
    seconds: Mapped[float]


@dataclass(frozen=True)
class Spent:
    """What a request (a hash) has taken: pictures, counted as often as they were rendered, and seconds of wall time."""

    request: str
    pictures: int
    seconds: float


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
        self.pictures = picture_place(self.place, folder / PICTURES)

    @property
    def place(self) -> str:
        """Where its pictures lie: a folder's path, or a URL."""
        fact = self.fact(PICTURES)
        return str(fact["place"]) if fact else str(self.folder / PICTURES)

    def move_to(self, place: str) -> None:
        """Keep pictures at `place` from now on. Raises StoreError where some lie elsewhere already."""
        if place == self.place:
            return
        with Session(self._engine) as session:
            if session.execute(select(PictureRow.id).limit(1)).first():
                raise StoreError(
                    f"{self.folder}: its pictures lie in {self.place}, not in {place}; name that, or another store"
                )
        self.set_fact(PICTURES, {"place": place})
        self.pictures = picture_place(place, self.folder / PICTURES)

    def picture_path(self, picture_id: str) -> Path:
        """A picture's file; one that lies at a URL is fetched."""
        return self.pictures.path(picture_id)

    def count_pictures(self) -> int:
        """How many are recorded, failed ones too."""
        with Session(self._engine) as session:
            return session.execute(select(func.count()).select_from(PictureRow)).scalar_one()

    def failures(self, picture_ids: Iterable[str]) -> dict[str, str | None]:
        """Those of the pictures that are there, each with why it shows nothing, or None."""
        found: dict[str, str | None] = {}
        with Session(self._engine) as session:
            for chunk in chunks(picture_ids, ASKED_AT_ONCE):
                rows = select(PictureRow.id, PictureRow.failure).where(PictureRow.id.in_(chunk))
                found.update(session.execute(rows).tuples().all())
        return found

    def lost(self) -> set[str]:
        """The ids of recorded pictures whose files are gone. Raises PicturePlaceError where their place is."""
        if not self.count_pictures():
            return set()
        with Session(self._engine) as session:
            recorded = session.execute(select(PictureRow.id).order_by(PictureRow.id).execution_options(yield_per=10000))
            return set(self.pictures.gone(recorded.scalars()))

    def gone(self, picture_ids: Iterable[str]) -> set[str]:
        """Those of the pictures that have no file. Raises PicturePlaceError where their place is gone."""
        listed = sorted(picture_ids)
        return set(self.pictures.gone(listed)) if listed else set()

    def forget(self, picture_ids: Iterable[str]) -> None:
        """Drop what is known of pictures, readings and all, as if they had never been made."""
        for chunk in chunks(picture_ids, ASKED_AT_ONCE):
            with Session(self._engine) as session, session.begin():
                session.execute(delete(PictureRow).where(PictureRow.id.in_(chunk)))
                session.execute(delete(EmbeddingRow).where(EmbeddingRow.subject.in_(chunk)))
            self.pictures.forget_copies(chunk)

    def unread(self, model: str, subjects: Iterable[str]) -> Iterator[str]:
        """Those of `subjects`, in order, that `model` (a hash) has not read yet."""
        for chunk in chunks(subjects, ASKED_AT_ONCE):
            with Session(self._engine) as session:
                rows = select(EmbeddingRow.subject).where(EmbeddingRow.model == model, EmbeddingRow.subject.in_(chunk))
                there = set(session.execute(rows).scalars())
            yield from (subject for subject in chunk if subject not in there)

    def add_pictures(
        self, rows: Iterable[PictureRow], readings: Readings | None = None, spent: Spent | None = None
    ) -> None:
        """Record pictures whose files are in place, what models read from them, and what they took, all or none."""
        with Session(self._engine) as session, session.begin():
            _replace(session, PictureRow, [_values_of(row) for row in rows])
            for model, by_subject in (readings or {}).items():
                _write_readings(session, model, by_subject)
            if spent is not None:
                _add_spent(session, spent)

    def add_spent(self, spent: Spent) -> None:
        """Add to what its request has taken."""
        with Session(self._engine) as session, session.begin():
            _add_spent(session, spent)

    def spent(self, request: str) -> Spent:
        """All that `request` has taken, in however many runs."""
        with Session(self._engine) as session:
            row = session.get(SpentRow, request)
            return Spent(request, row.pictures, row.seconds) if row else Spent(request, 0, 0.0)

    def readings(self, model: str) -> dict[str, Reading]:
        """Everything `model` (a hash) has read, by subject."""
        with Session(self._engine) as session:
            rows = session.execute(_readings_by(model)).all()
        return {subject: Reading(_vector(stored), count) for subject, stored, count in rows}

    def add_readings(self, model: str, readings: dict[str, Reading]) -> None:
        """Keep what `model` (a hash) has read, by subject; what it had read of them before gives way."""
        with Session(self._engine) as session, session.begin():
            _write_readings(session, model, readings)

    def readings_of(self, model: str, subjects: Iterable[str]) -> dict[str, Reading]:
        """What `model` (a hash) has read of `subjects`; what it has not seen is left out."""
        found: dict[str, Reading] = {}
        with Session(self._engine) as session:
            for chunk in chunks(subjects, ASKED_AT_ONCE):
                rows = session.execute(_readings_by(model).where(EmbeddingRow.subject.in_(chunk))).all()
                found.update((subject, Reading(_vector(stored), count)) for subject, stored, count in rows)
        return found

    def fact(self, key: str) -> dict[str, object] | None:
        """What is kept under a key: a JSON object, or None."""
        with Session(self._engine) as session:
            row = session.get(FactRow, key)
            return None if row is None else row.value

    def set_fact(self, key: str, value: dict[str, object]) -> None:
        """Keep a JSON object under a key, in place of what was there."""
        with Session(self._engine) as session, session.begin():
            session.merge(FactRow(key=key, value=value))

    def close(self) -> None:
        """Let go of the file; the store may be opened again."""
        self._engine.dispose()


# By model's hash, then by subject.
Readings = dict[str, dict[str, Reading]]


def create_store(folder: Path, place: str | None = None) -> Store:
    """Open the store at `folder`, making it if it is not there; half-written pictures of a killed run are swept.

    `place`: where pictures go instead of the store's own folder, a folder's path or a URL.
    """
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    store = _connect(folder)
    store.move_to(place or str(folder / PICTURES))
    shelves = Path(store.place) if "://" not in store.place else folder / PICTURES
    for shelf in shelves.glob("*"):
        sweep_partial(shelf)
    return store


def open_store(folder: Path) -> Store:
    """Open a store that exists. Raises StoreError where there is none."""
    if not (folder / FILE_NAME).is_file():
        raise StoreError(f"{folder}: not a store (it has no {FILE_NAME}); make one with `python -m eval grid SPEC`")
    return _connect(folder)


def _connect(folder: Path) -> Store:
    engine = create_engine(URL.create("sqlite", database=str(folder / FILE_NAME)))

    @event.listens_for(engine, "connect")
    def _use_wal(connection: sqlite3.Connection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA busy_timeout=30000")
        cursor.close()

    @event.listens_for(engine, "handle_error")
    def _name(context: ExceptionContext) -> None:
        # Every question and every write passes here, so no fault of the file is met anywhere else.
        fault = context.original_exception
        if isinstance(fault, sqlite3.DatabaseError) and not isinstance(fault, OURS):
            raise StoreError(f"{folder / FILE_NAME}: {_in_words(str(fault))}") from fault

    _Table.metadata.create_all(engine)
    return Store(folder, engine)


def _in_words(fault: str) -> str:
    """What SQLite's message means. Hours of rendering lie in a store, so only a file that is none any more goes."""
    advice = next((advice for part, advice in WHAT_TO_DO.items() if part in fault), CHECK_ALL)
    return f"{advice[0]} ({fault}); {advice[1]}"


def _readings_by(model: str) -> Select[str, bytes | None, int]:
    return select(EmbeddingRow.subject, EmbeddingRow.vector, EmbeddingRow.count).where(EmbeddingRow.model == model)


def _write_readings(session: Session, model: str, readings: dict[str, Reading]) -> None:
    stored = [
        {
            "subject": subject,
            "model": model,
            "count": reading.count,
            "vector": None if reading.vector is None else reading.vector.astype("<f4").tobytes(),
        }
        for subject, reading in readings.items()
    ]
    _replace(session, EmbeddingRow, stored)


def _add_spent(session: Session, spent: Spent) -> None:
    """In one statement, so that two commands of one request lose nothing of each other's."""
    written = upsert(SpentRow).values(asdict(spent))
    added = {
        "pictures": SpentRow.pictures + written.excluded.pictures,
        "seconds": SpentRow.seconds + written.excluded.seconds,
    }
    session.execute(written.on_conflict_do_update(index_elements=[SpentRow.request], set_=added))


def _replace(session: Session, table: type[_Table], rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows, over those of the same key, in one statement: asking for each first costs ten times as much."""
    if rows:
        session.execute(insert(table).prefix_with("OR REPLACE"), rows)


def _values_of(row: PictureRow) -> dict[str, object]:
    return {column.key: getattr(row, column.key) for column in PictureRow.__table__.columns}


def _vector(stored: bytes | None) -> np.ndarray | None:
    return None if stored is None else np.frombuffer(stored, dtype="<f4")
