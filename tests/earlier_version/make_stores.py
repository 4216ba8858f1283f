"""Makes `stores/`: a small finished grid in each layout that a store has had, by the code that wrote that layout.

`python tests/earlier_version/make_stores.py` fetches each commit of `LAYOUTS` from git and draws `stores/grid.toml`
with it. Whoever raises `LAYOUT` in `eval/store/tables.py` adds the last commit of the layout before, and runs it for
that one alone, by its name. As in `make.py`, folders are written as below PLACE.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PLACE = "/where/it/was"
LAYOUTS = {
    "0, three tables": "18a7976",  # pictures, readings, facts
    "0, spent": "3aeb8c0",  # and what a request has taken: version 0.1.0
    "1, checksums": "cb60e2c",  # and what each picture's file and each reading is to be
}


def code_of(commit: str, folder: Path) -> Path:
    """The tree of a commit, below `folder`."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as packed:
        packed.extractall(folder / "code", filter="data")
    return folder / "code"


def drawn(code: Path, home: Path) -> Path:
    """The store that `code` makes of the grid, with folders as below PLACE."""
    for part in ("subject", "lora"):
        shutil.copytree(HERE / "project" / part, home / part, dirs_exist_ok=True)
    shutil.copyfile(HERE / "stores" / "grid.toml", home / "grid.toml")
    command = [sys.executable, "-m", "eval", "grid", str(home / "grid.toml")]
    subprocess.run(command, cwd=code, env={**os.environ, "PYTHONPATH": str(code)}, check=True)
    connection = sqlite3.connect(home / "store" / "grid.sqlite")
    connection.execute("UPDATE fact SET value = replace(value, ?, ?)", (str(home), PLACE))
    connection.commit()
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("VACUUM")
    connection.close()
    return home / "store"


def main() -> None:
    for name, commit in LAYOUTS.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder).resolve() / "home"
            home.mkdir()
            store = drawn(code_of(commit, Path(folder)), home)
            shutil.rmtree(HERE / "stores" / name, ignore_errors=True)
            shutil.copytree(store, HERE / "stores" / name)


if __name__ == "__main__":
    main()
