"""What a long run has recorded, held against what was drawn: by SQLite alone, and none of the product's code."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from torture.facts import copied, half_written, recorded
from torture.long_run.stand_in import png_with
from torture.tries import Seen

JUDGED = 3  # readings of each picture: a face, how it looks, the whole


@dataclass
class Account:
    """`known`: pictures that were seen to be recorded, with their files' times. `batch`: how many a kill may take."""

    store: Path
    total: int
    batch: int
    known: dict[str, int] = field(default_factory=dict)

    def look(self, seen: Seen) -> None:
        """Note in `seen` what is lost, damaged or made again since the last look."""
        if not (self.store / "grid.sqlite").is_file():
            return
        for connection in copied(self.store / "grid.sqlite"):
            self._look_at(connection, seen)

    def _look_at(self, connection: sqlite3.Connection, seen: Seen) -> None:
        said = connection.execute("PRAGMA integrity_check").fetchall()
        seen.corrupt += [] if said == [("ok",)] else [f"SQLite says {said[:3]}"]
        rows = {one: (file, sha256) for one, file, sha256 in recorded(connection, self.store)}
        seen.lost += [f"picture {one} was recorded and is not now" for one in self.known if one not in rows]
        for one, (file, sha256) in rows.items():
            if not file.is_file():
                seen.lost.append(f"picture {one} is recorded and not there")
                continue
            time = file.stat().st_mtime_ns
            if one not in self.known and not _is_whole(file, one, sha256):
                seen.corrupt.append(f"picture {one} is recorded and damaged")
            if self.known.setdefault(one, time) != time:
                seen.duplicates.append(f"picture {one} was made again")
        (spent,) = connection.execute("SELECT total(pictures) FROM spent").fetchone()
        if spent != len(rows):
            kind = seen.duplicates if spent > len(rows) else seen.lost
            kind.append(f"{spent:.0f} pictures are counted, {len(rows)} recorded")
        self._look_at_readings(connection, rows.keys(), seen)

    def _look_at_readings(self, connection: sqlite3.Connection, pictures: object, seen: Seen) -> None:
        """Each recorded picture has all its readings, in the same transaction."""
        asked = "SELECT count(*) FROM embedding JOIN picture ON picture.id = embedding.subject"
        (count,) = connection.execute(asked).fetchone()
        if count != JUDGED * len(self.known):
            seen.lost.append(f"{count} readings of {len(self.known)} pictures, which have {JUDGED} each")

    def close(self, drawn: list[str], kills: int, seen: Seen) -> int:
        """Note what is not as a whole run leaves it; how many pictures were drawn for a second time."""
        self.look(seen)
        if len(self.known) != self.total:
            seen.lost.append(f"{len(self.known)} pictures are recorded of {self.total}")
        if strangers := set(self.known) ^ set(drawn):
            seen.lost.append(f"{len(strangers)} pictures were drawn and not recorded, or recorded and not drawn")
        files = [path for path in (self.store / "pictures").rglob("*") if path.is_file()]
        if len(files) != self.total:
            seen.duplicates.append(f"{len(files)} files of {self.total} pictures")
        seen.corrupt += [f"left behind: {name}" for name in half_written(self.store)]
        times = Counter(drawn)
        again = sum(times.values()) - len(times)
        if again > kills * self.batch:
            seen.duplicates.append(f"{again} pictures were drawn again for {kills} kills in batches of {self.batch}")
        return again


def _is_whole(file: Path, picture_id: str, sha256: str) -> bool:
    data = file.read_bytes()
    return data == png_with(picture_id) and hashlib.sha256(data).hexdigest() == sha256
