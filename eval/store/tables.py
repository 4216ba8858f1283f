"""What a store's database holds, as rows; and what the rest of the house is handed of it."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sqlalchemy import JSON, BigInteger, Dialect, Integer, String, Text, TypeDecorator
from sqlalchemy import Table as SqlTable
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from eval.store.databases.database import Layout

# SQLite's integers are of 64 bits and its text is sorted by bytes, without being asked to.
WHOLE = BigInteger().with_variant(Integer(), "sqlite")
HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
TEXT = String().with_variant(String(collation="C"), "postgresql")


class JsonAsText(TypeDecorator[Any]):
    """JSON as SQLite keeps it: any text, infinities too, and what is none any more is found when it is read."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """What is written."""
        return json.dumps(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """What is read."""
        return json.loads(value)


class Table(DeclarativeBase):
    """The declarative base of the store's tables."""

    type_annotation_map: ClassVar[Any] = {int: WHOLE, str: TEXT}


class FactRow(Table):
    """A fact about the whole store: the last grid's plan, its protocol, its models."""

    __tablename__ = "fact"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, object]] = mapped_column(JSON().with_variant(JsonAsText(), "postgresql"))


class PictureRow(Table):
    """A rendered picture; `failure` says why it shows nothing, None where it shows something.

    `sha256` of its file's bytes; `size` in bytes and `changed` (ns since 1970) of the file as it was when it was last
    seen to be sound. None where it was rendered by a version that kept none of them.
    """

    __tablename__ = "picture"
    id: Mapped[str] = mapped_column(primary_key=True)
    cell: Mapped[str] = mapped_column(index=True)
    prompt: Mapped[str]
    seed: Mapped[int]
    failure: Mapped[str | None]
    sha256: Mapped[str | None]
    size: Mapped[int | None]
    changed: Mapped[int | None]


class EmbeddingRow(Table):
    """What a model read from a picture, a text or a reference (`subject`): `vector` None where it found nothing.

    `count` is the number of faces for a face model, 1 elsewhere. `checksum` is that of `reading_checksum`, None where
    an earlier version wrote the row.
    """

    __tablename__ = "embedding"
    subject: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    vector: Mapped[bytes | None]
    checksum: Mapped[int | None]


class SpentRow(Table):
    """What was rendered for one request (its hash): written with the pictures themselves, so no kill comes between."""

    __tablename__ = "spent"
    request: Mapped[str] = mapped_column(primary_key=True)
    pictures: Mapped[int]
    seconds: Mapped[float]


def table_of(rows: type[Table]) -> SqlTable:
    """The table whose rows these are."""
    return rows.metadata.tables[rows.__tablename__]


_PICTURE, _EMBEDDING = table_of(PictureRow).c, table_of(EmbeddingRow).c
# 0 is from before there was a number.
LAYOUT = Layout(1, Table.metadata, {1: (_PICTURE.sha256, _PICTURE.size, _PICTURE.changed, _EMBEDDING.checksum)})


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


# By model's hash, then by subject.
Readings = dict[str, dict[str, Reading]]


def checked_fact(value: object) -> object:
    """A fact as it was read. Raises ValueError where it has halves of letters, which no database takes, nor UTF-8.

    Those that stand for bytes of a file's name are let through.
    """
    if HALVES.search(json.dumps(value, ensure_ascii=False)):
        raise ValueError("half a letter")
    return value


def reading_checksum(subject: str, model: str, count: int, vector: bytes | None) -> int:
    """CRC-32 of a row of readings: of whom, by whom, how many, and the vector's bytes."""
    head = f"{subject}\0{model}\0{count}\0{'-' if vector is None else len(vector)}\0".encode()
    return zlib.crc32(vector or b"", zlib.crc32(head))


def reading_fault(subject: str, model: str, count: object, vector: object, checksum: object) -> str | None:
    """Why a row is no reading, or None. Columns of an edited file may be anything."""
    if not isinstance(count, int) or not (vector is None or isinstance(vector, bytes)):
        return "a column of another type"
    if checksum is not None and checksum != reading_checksum(subject, model, count, vector):
        return "another checksum"
    if vector is not None and (len(vector) % 4 or not np.isfinite(np.frombuffer(vector, dtype="<f4")).all()):
        return "no vector of numbers"
    return None


def reading_row(subject: str, model: str, reading: Reading) -> dict[str, object]:
    """A reading as its row. A vector with a NaN or an infinity is kept as none: the picture counts as a failure, and
    never as a score."""
    seen = None if reading.vector is None else reading.vector.astype("<f4")
    vector = None if seen is None or not np.isfinite(seen).all() else seen.tobytes()
    checksum = reading_checksum(subject, model, reading.count, vector)
    return {"subject": subject, "model": model, "count": reading.count, "vector": vector, "checksum": checksum}


def values_of(row: PictureRow) -> dict[str, object]:
    """A picture's row by the names of its columns."""
    return {column.key: getattr(row, column.key) for column in table_of(PictureRow).columns}
