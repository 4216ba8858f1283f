"""Several at once on one store: opened first by many, written by two grids, a search and a reader."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torture.facts import faults_of
from torture.table import Kept, Row
from torture.tries import begun
from torture.works import ROOT, command, make_search

OPENERS, ROUNDS, PATIENCE = 8, 50, 300.0
GRID = command("eval", "grid", "grid.toml", "--force")
WRITERS = (GRID, GRID, command("eval", "search", "grid.toml", "--force"))
# Each waits for the moment that all are told, and then opens: imports take far longer than the race.
OPENER = """
import sys, time
from pathlib import Path
from eval.store.store import create_store
from eval.store.tables import Reading
for number in range(int(sys.argv[2])):
    folder = Path(sys.argv[1]) / str(number)
    while not folder.is_dir():
        time.sleep(0.001)
    store = create_store(folder / "store")
    store.add_readings("judge", {sys.argv[3]: Reading(None)})
    store.close()
    (folder / f"opened {sys.argv[3]}").touch()
"""
READER = """
import sys, time
from pathlib import Path
from eval.store.store import open_store
store = None
while not Path(sys.argv[2]).exists():
    if (Path(sys.argv[1]) / "grid.sqlite").is_file():
        store = store or open_store(Path(sys.argv[1]))
        assert store.count_pictures() >= 0
        for row in store.files():
            assert store.picture_path(row.id).is_file(), row.id
    time.sleep(0.05)
"""


def tried_together(kept: Kept, folder: Path, share: float, only: list[str], say: Callable[[str], None]) -> None:
    """Both of it, each a row of its own."""
    if only and "together" not in only:
        return
    fault, count = f"{OPENERS} open a new store at once", max(1, round(ROUNDS * share))
    left = [f"round {number}" for number in range(count) if kept.wants(fault, f"round {number}")]
    for what, wrong in zip(left, _opened_at_once(folder / "together", len(left)) if left else (), strict=True):
        _note(kept, Row(fault, what, wrong), say)
    fault = "two grids, a search and a reader at once"
    for what in (f"round {number}" for number in range(max(1, round(4 * share)))):
        if kept.wants(fault, what):
            _note(kept, Row(fault, what, _one_round(folder / "all at once")), say)


def _note(kept: Kept, row: Row, say: Callable[[str], None]) -> None:
    kept.add(row)
    if row.wrong:
        say(f"{row.fault}: {row.what}: {row.wrong}")


def _started(words: list[str], said: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("LD_PRELOAD", None)
    return subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said.open("w"),
    )  # fmt: skip


def _opened_at_once(folder: Path, rounds: int) -> list[dict[str, list[str]]]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    said = [folder / f"said {one}" for one in range(OPENERS)]
    openers = [_started(["-c", OPENER, str(folder), str(rounds), str(one)], said[one]) for one in range(OPENERS)]
    found: list[dict[str, list[str]]] = []
    for number in range(rounds):
        place, until = folder / str(number), time.monotonic() + PATIENCE
        place.mkdir()
        while len(list(place.glob("opened *"))) < OPENERS and time.monotonic() < until:
            if any(one.poll() for one in openers):
                break
            time.sleep(0.005)
        found.append(_wrong_with_round(place, said, until))
        if found[-1]:
            break
    for one in openers:
        one.kill()
        one.wait()
    return found + [{"unnamed": ["not reached"]}] * (rounds - len(found))


def _wrong_with_round(place: Path, said: list[Path], until: float) -> dict[str, list[str]]:
    if len(list(place.glob("opened *"))) < OPENERS:
        told = [one.read_text()[-300:] for one in said if one.read_text()]
        return {"hangs" if time.monotonic() > until else "unnamed": told or ["not all opened it"]}
    connection = sqlite3.connect(place / "store" / "grid.sqlite")
    try:
        rows = connection.execute("SELECT count(*) FROM embedding").fetchone()[0]
        sound = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()
    return {} if sound and rows == OPENERS else {"lost" if sound else "corrupt": [f"{rows} rows of {OPENERS}"]}


def _end_of(process: int) -> int | None:
    """The exit status of a child; None where it has not come to its end in time, and was killed."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def _one_round(folder: Path) -> dict[str, list[str]]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make_search(folder)
    store, done = folder / "läufe" / "eval", folder / "done"
    reader = _started(["-c", READER, str(store), str(done)], folder / "said by the reader")
    outs = [folder / f"writer {at}" / "out" for at in range(len(WRITERS))]
    for out in outs:
        out.parent.mkdir()
    writers = [begun(partial(writes, folder), out) for writes, out in zip(WRITERS, outs, strict=True)]
    wrong: dict[str, list[str]] = {}
    for process, out in zip(writers, outs, strict=True):
        status = _end_of(process)
        if status is None:
            wrong.setdefault("hangs", []).append(out.parent.name)
        elif status:
            told = out.with_suffix(".err").read_text("utf-8", "replace")[-300:]
            wrong.setdefault("unnamed", []).append(f"ends with {status}: {told}")
    done.touch()
    if reader.wait(60):
        told = (folder / "said by the reader").read_text()[-300:]
        wrong.setdefault("corrupt", []).append(f"a reader: {told}")
    if faults := faults_of(folder):
        wrong.setdefault("corrupt", []).extend(faults)
    connection = sqlite3.connect(store / "grid.sqlite")
    pictures = connection.execute("SELECT count(*), count(DISTINCT id) FROM picture").fetchone()
    connection.close()
    files = len([path for path in store.rglob("*.png") if not path.name.startswith(".")])
    if not pictures[0] == pictures[1] == files:
        wrong.setdefault("duplicates", []).append(f"{pictures} rows, {files} files")
    return wrong
