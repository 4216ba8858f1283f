"""A store whose rows are in Postgres, raced and killed: a server of its own is begun for it, and gone after it.

Eight processes open a new store at once, over and over; writers of batches are killed (SIGKILL) at random instants; two
grids draw into one store at once; and rows are written by one process and by two, beside SQLite in the same run. It
ends with 1 where a row is lost, half or doubled. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
sys.path[:0] = [str(ROOT), *map(str, (FIXTURES, FIXTURES / "servers", FIXTURES / "lora_files"))]

from eval.request.database_name import DatabaseName, checked_url  # noqa: E402
from eval.store.store import Store, create_store, open_store  # noqa: E402
from grid_folders import write_grid  # noqa: E402
from postgres_server import PostgresServer, postgres_server, why_none  # noqa: E402

OPENERS, BATCH, PATIENCE = 8, 32, 300.0
# Each waits for the moment that all are told: imports take far longer than what is measured.
BEGIN = """
import sys, time
from pathlib import Path
import numpy as np
from eval.request.database_name import DatabaseName
from eval.store.store import create_store
from eval.store.tables import PictureRow, Reading, Spent
own, url, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
rows = DatabaseName(url, "") if url else None
def wait(path):
    while not path.exists():
        time.sleep(0.001)
"""
OPENER = (
    BEGIN
    + """
for number in range(int(sys.argv[4])):
    wait(folder / str(number))
    store = create_store(folder / str(number) / "store", rows=rows)
    store.add_readings("judge", {own: Reading(None)})
    store.close()
    (folder / str(number) / f"opened {own}").touch()
"""
)
# Batches with two vectors a picture, each counted once; it says which are recorded.
WRITER = (
    BEGIN
    + """
(folder / f"ready {own}").touch()
wait(folder / "go")
store = create_store(folder / "store", rows=rows)
vector, began = np.ones(512, np.float32), time.perf_counter()
for at in range(int(sys.argv[4])):
    ids = [f"{at:06x} {one} {own}" for one in range(32)]
    made = [PictureRow(id=one, cell="c", prompt="p", seed=1) for one in ids]
    read = {model: {one: Reading(vector) for one in ids} for model in ("faces", "clip")}
    store.add_pictures(made, read, Spent("request", 32, 1.0))
    print(at, flush=True)
print(time.perf_counter() - began)
"""
)


def begun(program: str, own: str, url: str, folder: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, own, url, str(folder), str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def opened_at_once(folder: Path, url: str, rounds: int) -> list[str]:
    """What went wrong where many open a new store at once; each adds a reading to it."""
    folder.mkdir()
    openers = [begun(OPENER, str(at), url, folder, rounds) for at in range(OPENERS)]
    wrong: list[str] = []
    for number in range(rounds):
        place, until = folder / str(number), time.monotonic() + PATIENCE
        place.mkdir()
        while len(list(place.glob("opened *"))) < OPENERS and time.monotonic() < until:
            if any(one.poll() for one in openers):
                break
            time.sleep(0.005)
        found = len(open_store(place / "store").readings("judge"))
        wrong += [f"round {number}: {found} readings of {OPENERS}"] * (found != OPENERS)
    told = [one.communicate()[0] for one in openers]
    return wrong + [one for one in told if one]


def killed(folder: Path, url: str, tries: int, seed: int) -> list[str]:
    """What went wrong where a writer is killed at a random instant: what it said stays, of a batch all or nothing."""
    wrong: list[str] = []
    (folder / "store" / "pictures" / "00").mkdir(parents=True)  # else they would be another folder's
    (folder / "go").touch()
    store = create_store(folder / "store", rows=DatabaseName(url, ""))
    drawn = random.Random(seed)
    said = 0
    for number in range(tries):
        writer = begun(WRITER, f"writer{number}", url, folder, 10_000)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(drawn.uniform(0.0, 0.3))
        writer.kill()
        said += 1 + len(writer.communicate()[0].split("\n")[:-1])
        wrong += [f"try {number}: {fault}" for fault in unsound(store, said)]
        said = store.count_pictures() // BATCH  # what was written and could not be said any more
    return wrong


def unsound(store: Store, said: int) -> list[str]:
    """Pictures, both models' readings and what was counted are of whole batches, no fewer than were said."""
    counts = {
        "pictures": store.count_pictures(),
        "faces": len(store.readings("faces")),
        "clip": len(store.readings("clip")),
        "spent": store.spent("request").pictures,
    }
    is_sound = len({*counts.values()}) == 1 and counts["pictures"] % BATCH == 0 and counts["pictures"] >= said * BATCH
    return [] if is_sound else [f"{counts}, {said} batches were said"]


def written(folder: Path, url: str, writers: int, batches: int) -> float:
    """Pictures a second that `writers` processes record together in one store."""
    (folder / "store" / "pictures" / "00").mkdir(parents=True)
    started = [begun(WRITER, str(at), url, folder, batches) for at in range(writers)]
    while len(list(folder.glob("ready *"))) < writers and not any(one.poll() for one in started):
        time.sleep(0.05)
    (folder / "go").touch()
    seconds = [float(one.communicate()[0].split()[-1]) for one in started]
    store = open_store(folder / "store")
    assert store.count_pictures() == store.spent("request").pictures == writers * batches * BATCH
    store.close()
    return writers * batches * BATCH / max(seconds)


def two_grids(folder: Path, url: str) -> dict[str, object] | list[str]:
    """Two `eval grid` of one specification at once, and then once more: how many pictures each drew."""
    grid = write_grid(folder, steps=2)
    grid.spec.write_text(f'{grid.spec.read_text("utf-8")}database = "{url}"\n', "utf-8")
    command = [sys.executable, "-m", "eval", "grid", str(grid.spec), "--json"]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    drew = [json.loads(one.communicate()[0])["rendered"] for one in both]
    again = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    store = open_store(grid.store)
    files = len(list((grid.store / "pictures").rglob("[!.]*.png")))
    found = {"drew": drew, "again": again["rendered"], "rows": store.count_pictures(), "files": files}
    return found if not found["again"] and found["rows"] == files else [str(found)]


def rates(folder: Path, url: str, batches: int) -> dict[str, float]:
    """Pictures a second, by the database and how many processes write."""
    return {
        f"{name} {writers}": written(folder / f"{name} {writers}", place, writers, batches)
        for name, place in (("sqlite", ""), ("postgres", url))
        for writers in (1, 2)
    }


def measured(server: PostgresServer, folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """By part what was found; a list is what went wrong."""
    url, found = checked_url(server.url), dict[str, object]()
    parts: dict[str, Callable[[], object]] = {
        "two grids at once": lambda: two_grids(folder / "grids", url),
        f"{OPENERS} open a new store at once": lambda: opened_at_once(folder / "opened", url, options.rounds),
        "a writer is killed": lambda: killed(folder / "killed", url, options.kills, options.seed),
        "pictures a second": lambda: rates(folder, url, options.batches),
    }
    for name, part in parts.items():
        if options.only in name:
            found[name] = part()
            print(f"{name}: {found[name]}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="a word of the parts to run")
    options = parser.parse_args()
    if why := why_none():
        print(f"left out: {why}")
        return
    folder = Path(tempfile.mkdtemp())
    try:
        with postgres_server() as server:
            found = measured(server, folder, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found))
    sys.exit(any(isinstance(part, list) and part for part in found.values()))


if __name__ == "__main__":
    main()
