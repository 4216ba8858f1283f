"""What a folder shows to whoever looks: is every file whole, and which facts do its files hold?

This is an oracle of its own: it reads files with their formats' libraries and no code of the product.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from safetensors import safe_open

PICTURES = (".png", ".jpg", ".webp")


def visible(folder: Path) -> list[Path]:
    """All files that a user sees: none that is hidden, or lies in a hidden folder."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def half_written(folder: Path) -> list[str]:
    """What was left of writing, hidden or not."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if ".partial" in path.name or ".tmp" in path.name
    )


def faults_of(folder: Path) -> list[str]:
    """Every visible file that is not whole, each with why."""
    faults: list[str] = []
    for path in visible(folder):
        try:
            _look(path)
        except Exception as error:
            faults.append(f"{path.relative_to(folder)}: {type(error).__name__}: {error}"[:200])
    return faults


def _look(path: Path) -> None:
    looks = {".safetensors": _look_at_tensors, ".json": _look_at_json, ".jsonl": _look_at_lines, ".html": _look_at_page}
    looks |= {".sqlite": _look_at_store, **dict.fromkeys(PICTURES, _look_at_picture)}
    if path.suffix in looks:
        looks[path.suffix](path)


def _look_at_tensors(path: Path) -> None:
    with safe_open(path, "pt") as opened:
        for key in opened.keys():  # noqa: SIM118
            opened.get_tensor(key)


def _look_at_picture(path: Path) -> None:
    with Image.open(path) as opened:
        opened.load()


def _look_at_json(path: Path) -> None:
    json.loads(path.read_text("utf-8"))


def _look_at_lines(path: Path) -> None:
    for line in path.read_text("utf-8").split("\n")[:-1]:
        if line.endswith("}"):  # a line that a kill cut is passed over by all who read one
            json.loads(line)


def _look_at_page(path: Path) -> None:
    if not path.read_text("utf-8").rstrip().endswith("</html>"):
        raise ValueError("ends in the middle")


def _look_at_store(path: Path) -> None:
    for connection in copied(path):
        said = connection.execute("PRAGMA integrity_check").fetchall()
        if said != [("ok",)]:
            raise ValueError(str(said))
        _rows_have_files(connection, path.parent)


def _rows_have_files(connection: sqlite3.Connection, store: Path) -> None:
    """Whoever finds a picture's row finds its file, and it is what was written."""
    for one, file, sha256 in recorded(connection, store):
        if not file.is_file():
            raise ValueError(f"picture {one} is recorded and not there")
        if hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
            raise ValueError(f"picture {one} is recorded and damaged")


def recorded(connection: sqlite3.Connection, store: Path) -> Iterator[tuple[str, Path, str]]:
    """Each picture that a store's file speaks of: its id, its file, its hash."""
    if ("picture",) in connection.execute("SELECT name FROM sqlite_master").fetchall():
        for one, sha256 in connection.execute("SELECT id, sha256 FROM picture WHERE sha256 IS NOT NULL").fetchall():
            yield one, store / "pictures" / one[:2] / f"{one}.png", sha256


DATES = ("ss_training_finished_at", "modelspec.date")


def acknowledged(folder: Path) -> dict[str, tuple[str, int]]:
    """What a command has said it has: recorded pictures with their content and time, finished checkpoints, votes."""
    found: dict[str, tuple[str, int]] = {}
    for path in visible(folder):
        name = str(path.relative_to(folder))
        if path.name == "grid.sqlite":
            for connection in copied(path):
                for one, file, sha256 in recorded(connection, path.parent):
                    found[f"picture {one}"] = sha256, file.stat().st_mtime_ns if file.is_file() else 0
        elif path.name == "votes.jsonl":
            for line in path.read_text("utf-8").split("\n"):
                if line.endswith("}"):
                    found[f"{name}: {line}"] = "", 0
        elif path.suffix == ".safetensors" and "cache" not in name:
            # Steps since the last state are made again to the same bits, and the file says when.
            held = sorted(f"{key} {value}" for key, value in _tensors(path, "") if not key.endswith(DATES))
            found[name] = hashlib.sha256("\n".join(held).encode()).hexdigest(), 0
    return found


def facts_of(folder: Path) -> dict[str, str]:
    """All that visible files hold, each fact under a name: values of JSON, rows of SQLite, else a file's hash."""
    facts: dict[str, str] = {}
    for path in visible(folder):
        name = str(path.relative_to(folder))
        if path.suffix == ".json":
            facts.update(_flat(json.loads(path.read_text("utf-8")), name))
        elif path.suffix == ".jsonl":
            lines = [line for line in path.read_text("utf-8").split("\n") if line.endswith("}")]
            facts.update((f"{name} line {number}", line) for number, line in enumerate(lines, 1))
        elif path.suffix == ".safetensors":
            facts.update(_tensors(path, name))
        elif path.suffix == ".sqlite":
            for connection in copied(path):
                facts.update(_rows(connection, name))
        elif not path.name.endswith(("-wal", "-shm", "-journal")):
            facts[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return facts


def _flat(value: object, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _flat(one, f"{name} {key}")
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _flat(one, f"{name} {place}")
    else:
        yield name, repr(value)


def _tensors(path: Path, name: str) -> Iterator[tuple[str, str]]:
    """Each tensor's bytes and each entry of the metadata, some of which say when a file was made."""
    with safe_open(path, "pt") as opened:
        for key, value in (opened.metadata() or {}).items():
            yield f"{name} {key}", value
        for key in opened.keys():  # noqa: SIM118
            data = opened.get_tensor(key).contiguous().reshape(-1).view(torch.uint8)
            yield f"{name} {key}", hashlib.sha256(data.numpy().tobytes()).hexdigest()


def _rows(connection: sqlite3.Connection, name: str) -> Iterator[tuple[str, str]]:
    tables = [one for (one,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        cursor = connection.execute(f"SELECT * FROM {table}")
        columns = [column[0] for column in cursor.description]
        keys = [one[1] for one in connection.execute(f"PRAGMA table_info({table})") if one[5]] or columns[:1]
        for row in cursor:
            values = dict(zip(columns, row, strict=True))
            key = " ".join(str(values[one]) for one in keys)
            for column, value in values.items():
                if column not in keys or keys == columns:
                    yield f"{name} {table} {key} {column}", hashlib.sha256(repr(value).encode()).hexdigest()


def copied(path: Path) -> Iterator[sqlite3.Connection]:
    """A SQLite file and its log as they lie there, opened as a copy: looking changes nothing."""
    with tempfile.TemporaryDirectory() as folder:
        for end in ("", "-wal", "-journal"):
            if (one := path.with_name(path.name + end)).is_file():
                shutil.copyfile(one, Path(folder) / one.name)
        connection = sqlite3.connect(Path(folder) / path.name)
        try:
            yield connection
        finally:
            connection.close()
