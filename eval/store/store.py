"""The store of a grid: a folder with pictures, and rows of what is known about them in SQLite or Postgres.

A row is written only after its picture file is in place, a batch in one transaction, so a kill leaves nothing half.
Embeddings are kept per model hash: every metric is recomputed from them without a model. A row says what its picture's
file and its vector are to be, so what a disk or a hand has changed since is told from what was written.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import tee
from pathlib import Path
from typing import Literal

import numpy as np
from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from eval.request.database_name import DatabaseName
from eval.store.connection import FILE_NAME, STORE_FILES, StoreError, connected, is_store, made
from eval.store.databases.database import Database
from eval.store.picture_files import PictureFolder, PicturePlaceError, Stamp, fault_of_file, picture_place
from eval.store.tables import (
    EmbeddingRow,
    FactRow,
    PictureRow,
    Reading,
    Readings,
    Spent,
    SpentRow,
    checked_fact,
    reading_fault,
    reading_row,
    table_of,
    values_of,
)
from foundation.chunks import chunks
from foundation.files import sweep_partial
from foundation.progress import at_hand
from foundation.typed.json_values import is_table

PICTURES = "pictures"
_ANEW = "which forgets what is damaged, then the grid again, which makes it anew"
_DAMAGED_PLACE = "put a copy of the file back if there is one, or make another store"
READ_AT_ONCE = 1000  # rows with their vectors
ASKED_AT_ONCE = 500  # SQLite takes a limited number of values in one question


@dataclass(frozen=True)
class KeptPicture:
    """A picture's file; `fault`: why it cannot be shown, or None."""

    path: Path
    fault: Literal["not made", "damaged"] | None


@dataclass(frozen=True)
class RecordedFile:
    """What a store knows of a picture's file: as in `PictureRow`."""

    id: str
    sha256: str | None
    size: int | None
    changed: int | None


class Store:
    """An open store. `folder` holds the pictures, and the rows or the name of the `database` that does."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        self.engine = database.engine
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
        with Session(self.engine) as session:
            if session.execute(select(PictureRow.id).limit(1)).first():
                raise StoreError(
                    f"{self.folder}: its pictures lie in {self.place}, not in {place}; name that, or another store"
                )
        self.set_fact(PICTURES, {"place": place})
        self.pictures = picture_place(place, self.folder / PICTURES)

    def picture_path(self, picture_id: str) -> Path:
        """A picture's file, whatever it holds; one that lies at a URL is fetched."""
        return self.pictures.path(picture_id)

    def kept_picture(self, picture_id: str) -> KeptPicture:
        """A picture's file, and whether it is what was written. Its bytes are read, once for as long as it stays."""
        path = self.picture_path(picture_id)
        with Session(self.engine) as session:
            kept = select(PictureRow.sha256, PictureRow.size).where(PictureRow.id == picture_id)
            sha256, size = session.execute(kept).tuples().first() or (None, None)
        return KeptPicture(path, fault_of_file(path, sha256, size))

    def kept_pictures(self, picture_ids: Iterable[str]) -> dict[str, KeptPicture]:
        """The same of many at once; none of those that are not recorded."""
        return {
            one: KeptPicture(path := self.picture_path(one), fault_of_file(path, sha256))
            for one, sha256 in self.contents(picture_ids).items()
        }

    def count_pictures(self) -> int:
        """How many are recorded, failed ones too."""
        with Session(self.engine) as session:
            return session.execute(select(func.count()).select_from(PictureRow)).scalar_one()

    def failures(self, picture_ids: Iterable[str]) -> dict[str, str | None]:
        """Those of the pictures that are there, each with why it shows nothing, or None."""
        found: dict[str, str | None] = {}
        with Session(self.engine) as session:
            for chunk in chunks(picture_ids, ASKED_AT_ONCE):
                rows = select(PictureRow.id, PictureRow.failure).where(PictureRow.id.in_(chunk))
                found.update(session.execute(rows).tuples().all())
        return found

    def lost(self) -> set[str]:
        """The ids of recorded pictures whose files are gone, or are not what was written.

        A file that looks as it did when it was last seen to be sound (size and time) is taken for sound; what a disk
        changes in silence only reading every file tells (`upkeep.py`). Raises PicturePlaceError where their place is
        gone.
        """
        if not self.count_pictures():
            return set()
        rows, again = tee(self.files())
        stamps = self.pictures.stamps(row.id for row in again)
        lost, touched = set[str](), dict[str, int]()
        for row, (_, stamp) in zip(rows, stamps, strict=True):
            if self._is_lost(row, stamp):
                lost.add(row.id)
            elif row.sha256 and stamp and stamp.changed not in (None, row.changed):
                touched[row.id] = stamp.changed
        self._note_times(touched)
        return lost

    def _is_lost(self, row: RecordedFile, stamp: Stamp | None) -> bool:
        """The bytes are read only where the size is right and the time is not, as after a copy."""
        if stamp is None or row.sha256 is None:
            return stamp is None
        if stamp.size not in (None, row.size):
            return True
        return stamp.changed not in (None, row.changed) and bool(fault_of_file(self.picture_path(row.id), row.sha256))

    def _note_times(self, touched: dict[str, int]) -> None:
        """So that sound files of another time are read once, not at every run."""
        if touched and not self.database.is_read_only:
            rows = [{"id": one, "changed": changed} for one, changed in touched.items()]
            with self.database.writing() as session:
                session.execute(update(PictureRow), rows)

    def files(self) -> Iterator[RecordedFile]:
        """What is recorded of every picture's file, by id."""
        columns = select(PictureRow.id, PictureRow.sha256, PictureRow.size, PictureRow.changed)
        with Session(self.engine) as session:
            for row in session.execute(columns.order_by(PictureRow.id).execution_options(yield_per=10000)).tuples():
                yield RecordedFile(*row)

    def contents(self, picture_ids: Iterable[str]) -> dict[str, str | None]:
        """Those of the pictures that are there, each with the sha256 that its file is to have, as far as it is kept."""
        found: dict[str, str | None] = {}
        with Session(self.engine) as session:
            for chunk in chunks(picture_ids, ASKED_AT_ONCE):
                rows = select(PictureRow.id, PictureRow.sha256).where(PictureRow.id.in_(chunk))
                found.update(session.execute(rows).tuples().all())
        return found

    def unsound(self, picture_ids: Iterable[str]) -> set[str]:
        """Those of the pictures whose files are gone or damaged; every byte is read.

        Raises PicturePlaceError where their place is gone.
        """
        listed = sorted(picture_ids)
        stamps = self.pictures.stamps(listed) if listed else ()
        return {one for one, stamp in stamps if stamp is None or self.kept_picture(one).fault}

    def forget(self, picture_ids: Iterable[str]) -> None:
        """Drop what is known of pictures, readings and all, as if they had never been made."""
        for chunk in chunks(picture_ids, ASKED_AT_ONCE):
            with self.database.writing() as session:
                session.execute(delete(PictureRow).where(PictureRow.id.in_(chunk)))
                session.execute(delete(EmbeddingRow).where(EmbeddingRow.subject.in_(chunk)))
            self.pictures.forget_copies(chunk)

    def unread(self, model: str, subjects: Iterable[str]) -> Iterator[str]:
        """Those of `subjects`, in order, that `model` (a hash) has not read yet."""
        for chunk in chunks(subjects, ASKED_AT_ONCE):
            with Session(self.engine) as session:
                rows = select(EmbeddingRow.subject).where(EmbeddingRow.model == model, EmbeddingRow.subject.in_(chunk))
                there = set(session.execute(rows).scalars())
            yield from (subject for subject in chunk if subject not in there)

    def add_pictures(
        self, rows: Iterable[PictureRow], readings: Readings | None = None, spent: Spent | None = None
    ) -> None:
        """Record pictures whose files are in place, what models read from them, and what they took, all or none."""
        with self.database.writing() as session:
            self.database.replace(session, table_of(PictureRow), [values_of(row) for row in rows])
            for model, by_subject in (readings or {}).items():
                self._write_readings(session, model, by_subject)
            if spent is not None:
                self._add_spent(session, spent)

    def add_spent(self, spent: Spent) -> None:
        """Add to what its request has taken."""
        with self.database.writing() as session:
            self._add_spent(session, spent)

    def spent(self, request: str) -> Spent:
        """All that `request` has taken, in however many runs."""
        with Session(self.engine) as session:
            row = session.get(SpentRow, request)
            return Spent(request, row.pictures, row.seconds) if row else Spent(request, 0, 0.0)

    def readings(self, model: str) -> dict[str, Reading]:
        """Everything `model` (a hash) has read, by subject."""
        return dict(self.each_reading(model))

    def each_reading(self, model: str) -> Iterator[tuple[str, Reading]]:
        """The same one by one, for what need not be held together."""
        with Session(self.engine) as session:
            rows = session.execute(_readings_by(model).execution_options(yield_per=READ_AT_ONCE)).tuples()
            yield from self._checked(model, rows)

    def add_readings(self, model: str, readings: dict[str, Reading]) -> None:
        """Keep what `model` (a hash) has read, by subject; what it had read of them before gives way."""
        with self.database.writing() as session:
            self._write_readings(session, model, readings)

    def readings_of(self, model: str, subjects: Iterable[str]) -> dict[str, Reading]:
        """What `model` (a hash) has read of `subjects`; what it has not seen is left out."""
        found: dict[str, Reading] = {}
        with Session(self.engine) as session:
            for chunk in chunks(subjects, ASKED_AT_ONCE):
                rows = session.execute(_readings_by(model).where(EmbeddingRow.subject.in_(chunk))).tuples().all()
                found.update(self._checked(model, rows))
        return found

    def _checked(self, model: str, rows: Iterable[_Stored]) -> Iterator[tuple[str, Reading]]:
        """Rows as readings. Raises StoreError for one that is not what was written."""
        for subject, stored, count, checksum in rows:
            if fault := reading_fault(subject, model, count, stored, checksum):
                raise StoreError(
                    f"{self.database.name}: a reading is damaged ({fault}); run `python -m eval store repair "
                    f"{shlex.quote(str(self.folder))}`, {_ANEW}"
                )
            yield subject, Reading(None if stored is None else np.frombuffer(stored, dtype="<f4"), count)

    def fact(self, key: str) -> dict[str, object] | None:
        """What is kept under a key: a JSON object, or None. Raises StoreError where it is none."""
        try:
            with Session(self.engine) as session:
                row = session.get(FactRow, key)
                value: object = None if row is None else checked_fact(row.value)
        except (ValueError, TypeError, RecursionError) as error:
            raise self._damaged_fact(key) from error
        if value is None:
            return None
        if not is_table(value):
            raise self._damaged_fact(key)
        return value

    def _damaged_fact(self, key: str) -> StoreError:
        # Where its pictures lie nothing else knows, and without that none of them can be checked.
        repair = f"run `python -m eval store repair {shlex.quote(str(self.folder))}`, {_ANEW}"
        advice = _DAMAGED_PLACE if key == PICTURES else repair
        return StoreError(f"{self.database.name}: what it keeps under `{key}` is damaged; {advice}")

    def set_fact(self, key: str, value: dict[str, object]) -> None:
        """Keep a JSON object under a key, in place of what was there."""
        with self.database.writing() as session:
            self.database.replace(session, table_of(FactRow), [{"key": key, "value": value}])

    def _write_readings(self, session: Session, model: str, readings: dict[str, Reading]) -> None:
        rows = [reading_row(subject, model, reading) for subject, reading in readings.items()]
        self.database.replace(session, table_of(EmbeddingRow), rows)

    def _add_spent(self, session: Session, spent: Spent) -> None:
        """In one statement, so that two commands of one request lose nothing of each other's."""
        written = self.database.insert(table_of(SpentRow)).values(asdict(spent))
        added = {
            "pictures": SpentRow.pictures + written.excluded.pictures,
            "seconds": SpentRow.seconds + written.excluded.seconds,
        }
        session.execute(written.on_conflict_do_update(index_elements=["request"], set_=added))

    def close(self) -> None:
        """Let go of the database; the store may be opened again."""
        self.engine.dispose()


def create_store(folder: Path, place: str | None = None, rows: DatabaseName | None = None) -> Store:
    """Open the store at `folder`, making it if it is not there; half-written pictures of a killed run are swept.

    `place`: where pictures go instead of the store's own folder, a folder's path or a URL. `rows`: the database that
    keeps its rows, if not the folder.
    """
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    store = Store(folder, made(folder, rows))
    if note := store.database.note():
        at_hand().say(note)
    store.move_to(place or str(folder / PICTURES))
    if not store.count_pictures():  # else a folder that is gone is a share that is not mounted
        store.pictures.make_ready()
    else:
        _check_is_here(store)
    shelves = Path(store.place) if "://" not in store.place else folder / PICTURES
    for shelf in shelves.glob("*"):
        sweep_partial(shelf)
    return store


def _check_is_here(store: Store) -> None:
    """Of rows that several folders may show, the pictures of one that has none at all are in another, and not lost."""
    own = store.folder / PICTURES
    if store.database.is_shared and store.pictures == PictureFolder(own) and not any(own.iterdir()):
        raise PicturePlaceError(
            f"{own}: is empty, and {store.database.name} knows {store.count_pictures()} pictures: use the folder that "
            "they were drawn into, which several machines can share; to have all of them drawn again here, run "
            f"`python -m eval store repair {shlex.quote(str(store.folder))}` first"
        )


def open_store(folder: Path) -> Store:
    """Open a store that exists. Raises StoreError where there is none."""
    if not is_store(folder):
        below = sorted(file for mark in STORE_FILES for file in folder.glob(f"*/{mark}"))
        advice = f"name {below[0].parent}" if below else "make one with `python -m eval grid SPEC`"
        raise StoreError(f"{folder}: not a store (it has no {FILE_NAME}); {advice}")
    return Store(folder, connected(folder))


_Stored = tuple[str, bytes | None, int, int | None]


def _readings_by(model: str) -> Select[str, bytes | None, int, int | None]:
    columns = EmbeddingRow.subject, EmbeddingRow.vector, EmbeddingRow.count, EmbeddingRow.checksum
    return select(*columns).where(EmbeddingRow.model == model)
