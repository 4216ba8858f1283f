"""A store looked at as a whole: every picture's bytes, every reading, every fact, the database's own structure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from base_models.pictures.picture_file import UnreadablePictureError, opened_picture
from eval.store.connection import StoreError
from eval.store.picture_files import fault_of_file
from eval.store.store import Store
from eval.store.tables import EmbeddingRow, FactRow, reading_fault
from foundation.progress import Reporter


@dataclass(frozen=True)
class StoreFaults:
    """What is wrong with a store: pictures by id with their files, readings by (subject, model), facts by key.

    `structure`: what the database's own check says, in words; empty where that is sound.
    """

    missing: dict[str, Path] = field(default_factory=dict)
    damaged: dict[str, Path] = field(default_factory=dict)
    readings: list[tuple[str, str]] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    structure: list[str] = field(default_factory=list)

    @property
    def pictures(self) -> list[str]:
        """The ids of pictures that have to be made again."""
        return [*self.missing, *self.damaged]

    def __bool__(self) -> bool:
        return bool(self.pictures or self.readings or self.facts or self.structure)


def faults_of(store: Store, reporter: Reporter) -> StoreFaults:
    """Read everything. A picture of a version that kept no hashes is sound where it can be decoded.

    Raises PicturePlaceError where the place of the pictures is gone, StoreError where the file cannot be read at all.
    """
    missing, damaged = dict[str, Path](), dict[str, Path]()
    advance = reporter.task("reading pictures", store.count_pictures())
    for recorded in store.files():
        store.pictures.forget_copies([recorded.id])  # of what lies at a URL, it is the URL's that counts
        path = store.picture_path(recorded.id)
        fault = fault_of_file(path, recorded.sha256, recorded.size)
        if fault is None and recorded.sha256 is None and not _decodes(path):
            fault = "damaged"
        if fault:
            (missing if fault == "not made" else damaged)[recorded.id] = path
        advance(1)
    structure = store.database.structure_faults()
    return StoreFaults(missing, damaged, _damaged_readings(store), _damaged_facts(store), structure)


def repair(store: Store, faults: StoreFaults) -> None:
    """Forget what is not as it was written, so that the next grid makes and reads it again; no file is deleted."""
    if not faults:
        return
    store.forget(faults.pictures)
    with store.database.writing() as session:
        for subject, model in faults.readings:
            named = (EmbeddingRow.subject == subject) & (EmbeddingRow.model == model)
            session.execute(delete(EmbeddingRow).where(named))
        session.execute(delete(FactRow).where(FactRow.key.in_(faults.facts)))


def in_lines(faults: StoreFaults) -> Iterable[str]:
    """What is wrong, for a person: a line a kind, with the first of it by name."""
    for name, files in (("gone", faults.missing), ("damaged", faults.damaged)):
        if files:
            pictures = "picture is" if len(files) == 1 else "pictures are"
            yield f"{len(files)} {pictures} {name} (the first: {min(files.values())})"
    if faults.readings:
        yield f"{len(faults.readings)} readings of pictures or texts are damaged"
    if faults.facts:
        yield f"what is kept under {', '.join(faults.facts)} is damaged"
    if faults.structure:
        yield f"{faults.structure[0]}; put a copy of it back, or render another store"


def _damaged_readings(store: Store) -> list[tuple[str, str]]:
    columns = select(EmbeddingRow.subject, EmbeddingRow.model, EmbeddingRow.count, EmbeddingRow.vector)
    with Session(store.engine) as session:
        rows = session.execute(columns.add_columns(EmbeddingRow.checksum).execution_options(yield_per=10000))
        return [(row[0], row[1]) for row in rows.tuples() if reading_fault(*row)]


def _damaged_facts(store: Store) -> list[str]:
    with Session(store.engine) as session:
        keys = session.execute(select(FactRow.key).order_by(FactRow.key)).scalars().all()
    return [key for key in keys if _is_damaged(store, key)]


def _is_damaged(store: Store, key: str) -> bool:
    try:
        store.fact(key)
    except StoreError:
        return True
    return False


def _decodes(path: Path) -> bool:
    try:
        with opened_picture(path) as opened:
            opened.load()
    except UnreadablePictureError:
        return False
    return True
