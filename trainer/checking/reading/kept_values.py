"""What was measured, kept by content in one SQLite file, so that nothing is measured twice and a kill loses seconds.

A file's content is known by its hash, and the hash by the file's place, size and time, so that a second check reads no
picture. What is damaged there is measured anew. Nothing in the file can run code.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foundation.chunks import chunks
from foundation.printing import complain

FILE = "measured.sqlite"
ASKED_TOGETHER = 500
LAYOUT = """
CREATE TABLE IF NOT EXISTS content (place TEXT PRIMARY KEY, size INTEGER, changed INTEGER, sha256 TEXT);
CREATE TABLE IF NOT EXISTS picture (key TEXT PRIMARY KEY, measured BLOB, sketch BLOB, thumbnail BLOB);
CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, value TEXT);
"""


def default_folder() -> Path:
    """Where the system keeps what can be made anew."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lora-studio" / "check"


class KeptValues:
    """The file, open. It is asked and written by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def hashes(self, places: Sequence[Path]) -> dict[Path, str]:
        """The hashes of those files that are as they were when they were hashed."""
        known: dict[Path, str] = {}
        for part in chunks(places, ASKED_TOGETHER):
            names = {_place(path): path for path in part}
            rows = self._connection.execute(
                f"SELECT place, size, changed, sha256 FROM content WHERE place IN ({_marks(names)})", list(names)
            )
            for place, size, changed, sha256 in rows:
                if _facts(names[place]) == (size, changed):
                    known[names[place]] = sha256
        return known

    def keep_hash(self, path: Path, sha256: str) -> None:
        """Remember the hash of a file as it is now."""
        facts = _facts(path)
        if facts is not None:
            self._connection.execute(
                "INSERT OR REPLACE INTO content VALUES (?, ?, ?, ?)", (_place(path), *facts, sha256)
            )

    def measured(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What is kept under the keys."""
        return self._column("measured", keys)

    def sketches(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The sketches under the keys."""
        return self._column("sketch", keys)

    def thumbnails(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The small JPEGs under the keys."""
        return self._column("thumbnail", keys)

    def keep(self, key: str, measured: bytes, sketch: bytes, thumbnail: bytes) -> None:
        """Keep what was measured of a picture."""
        self._connection.execute(
            "INSERT OR REPLACE INTO picture VALUES (?, ?, ?, ?)", (key, measured, sketch, thumbnail)
        )

    def answers(self, keys: Sequence[str]) -> dict[str, str]:
        """Those of several keys."""
        found: dict[str, str] = {}
        for part in chunks(keys, ASKED_TOGETHER):
            rows = self._connection.execute(f"SELECT key, value FROM answer WHERE key IN ({_marks(part)})", part)
            found.update((str(key), str(value)) for key, value in rows)
        return found

    def answer(self, key: str) -> str | None:
        """What was found of a whole set, under a hash of all that it was found by."""
        row = self._connection.execute("SELECT value FROM answer WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def keep_answers(self, answers: Mapping[str, str]) -> None:
        """Keep those."""
        self._connection.executemany("INSERT OR REPLACE INTO answer VALUES (?, ?)", list(answers.items()))
        self.commit()

    def commit(self) -> None:
        """Have the disk hold what was kept; a disk that is full only means that it is measured again."""
        try:
            self._connection.commit()
        except sqlite3.Error:
            self._connection.rollback()

    def _column(self, column: str, keys: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for part in chunks(keys, ASKED_TOGETHER):
            rows = self._connection.execute(f"SELECT key, {column} FROM picture WHERE key IN ({_marks(part)})", part)
            found.update((str(key), bytes(value)) for key, value in rows)
        return found


@contextmanager
def opened_values(folder: Path) -> Generator[KeptValues]:
    """The kept values of `folder`. Where none can be kept there it is said, and they live as long as the block."""
    connection = _connected(folder / FILE)
    try:
        yield KeptValues(connection)
        KeptValues(connection).commit()
    finally:
        connection.close()


def _connected(path: Path) -> sqlite3.Connection:
    for again in (True, False):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return _prepared(sqlite3.connect(path, timeout=30, check_same_thread=False))
        except (sqlite3.DatabaseError, OSError) as error:
            is_damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
            if again and is_damaged:
                path.unlink(missing_ok=True)  # it holds nothing that cannot be measured again
                continue
            complain(f"{path}: nothing can be kept there ({error}), so all is measured anew; name a place with --cache")
            break
    return _prepared(sqlite3.connect(":memory:", check_same_thread=False))


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.executescript(LAYOUT)
    return connection


def _place(path: Path) -> str:
    """What a file is kept under: SQLite takes no name that is no text."""
    return os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")


def _facts(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns


def _marks(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join("?" * len(names))
