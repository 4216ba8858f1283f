"""What a store's SQLite file holds, as rows; and what the rest of the house is handed of it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from sqlalchemy import JSON, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# Of the file as a whole (SQLite's `user_version`). 0: from before there was a number.
LAYOUT = 1


class Table(DeclarativeBase):
    """The declarative base of the store's tables."""


class FactRow(Table):
    """A fact about the whole store: the last grid's plan, its protocol, its models."""

    __tablename__ = "fact"
    key: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[dict[str, object]] = mapped_column(JSON)


class PictureRow(Table):
    """A rendered picture; `failure` says why it shows nothing, None where it shows something.

    `sha256` of its file's bytes; `size` in bytes and `changed` (ns since 1970) of the file as it was when it was last
    seen to be sound. None where it was rendered by a version that kept none of them.
    """

    __tablename__ = "picture"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    cell: Mapped[str] = mapped_column(String, index=True)
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
    subject: Mapped[str] = mapped_column(String, primary_key=True)
    model: Mapped[str] = mapped_column(String, primary_key=True)
    count: Mapped[int]
    vector: Mapped[bytes | None]
    checksum: Mapped[int | None]


class SpentRow(Table):
    """What was rendered for one request (its hash): written with the pictures themselves, so no kill comes between."""

    __tablename__ = "spent"
    request: Mapped[str] = mapped_column(String, primary_key=True)
    pictures: Mapped[int]
    seconds: Mapped[float]


# What layout 1 has more than the one before, a line each.
ADDED = (
    "ALTER TABLE picture ADD COLUMN sha256 VARCHAR",
    "ALTER TABLE picture ADD COLUMN size INTEGER",
    "ALTER TABLE picture ADD COLUMN changed INTEGER",
    "ALTER TABLE embedding ADD COLUMN checksum INTEGER",
)


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
