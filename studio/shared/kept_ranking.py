"""The ranking of a large store, kept beside it: what an opened store shows, without a vector. No Streamlit here.

A hundred thousand pictures have gigabytes of vectors, which a server that stays up must not hold, and whose ranking
takes longer than anybody waits for a page. So a process of its own reads and ranks them, and leaves what came of it in
`STORE/ranking.npz`. The file holds for one state of the store and one version of the code that ranks.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

import eval
from eval.judging.stored_grid import Grid, load_evidence, load_grid
from eval.ranking.evidence import Evidence, without_vectors
from eval.ranking.limits import limits_of
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import Scored, Scores, control_identities, identities, score, scored
from eval.store.connection import last_changed
from eval.store.store import open_store
from eval.ways.joined_evidence import joined
from eval.ways.ranked_together import rank_scored_together
from foundation.files import opened_file, whole_file
from foundation.typed.json_values import is_table, parse_json
from foundation.typed.untyped import untyped
from studio.shared.plain_values import Beside, plain, read_beside, typed

KEPT = "ranking.npz"
STATE, FACTS, SENTENCES, NPY = "state", "facts", "sentences", ".npy"
# As many pictures are read and ranked in two seconds; of more a page does not wait.
LARGE = 10_000
# Rooms whose code says what a ranking is.
RANKED_BY = ("judging", "ranking", "statistics", "ways", "wording", "request")
MOST_BYTES, MOST_LISTING = 2**29, 2**20
TRIES = 3


@dataclass(frozen=True)
class Shown:
    """All that pages show of a ranked grid but its pictures: `identity` (C, U), `identity_control` (U,).

    `ways`: what each way to draw showed, from which all of it is ranked anew under other limits.
    """

    evidence: Evidence
    rows: list[RankedCell]
    ways: list[Scored]
    scores: Scores
    identity: np.ndarray
    identity_control: np.ndarray


def shown_of(folder: Path) -> tuple[Grid, Shown]:
    """A store as pages show it. Raises StoreError, or UnscorableError as the ranking does."""
    grid = load_grid(open_store(folder))
    if grid.store.count_pictures() < LARGE:
        return grid, computed(grid)
    shown = read_kept(folder)
    if shown is None and _kept_by_another_process(folder):
        shown = read_kept(folder)
    return grid, shown or computed(grid)  # nothing can be kept there, or there is something to be told of


def computed(grid: Grid) -> Shown:
    """What pages show, from the vectors, which are let go. Raises StoreError, UnscorableError."""
    parts = [load_evidence(part) for part in grid.by_setting]
    ways = [scored(part) for part in parts]
    first, rows = rank_scored_together(ways, limits_of(grid.snapshot.limits))
    evidence = parts[0] if len(parts) == 1 else joined(parts, first)
    scores = ways[0].scores if len(parts) == 1 else score(evidence)
    return Shown(without_vectors(evidence), rows, ways, scores, identities(evidence), control_identities(evidence))


def keep(folder: Path) -> None:
    """Rank a store and keep what came of it, unless it changes all the time.

    Raises what ranking does, and OSError where it cannot be kept.
    """
    # Whoever opens a store may move what was written last into its file: the same content, another time.
    for _ in range(TRIES):
        before, beside_it = state_of(folder), Beside()
        facts = plain(_computed_anew(folder), beside_it)
        if state_of(folder) == before:
            told = json.dumps({"shown": facts, SENTENCES: beside_it.entries})
            texts = {STATE: _bytes_in(before), FACTS: _bytes_in(told)}
            with whole_file(folder / KEPT) as beside, beside.open("wb") as stream:
                untyped(np).savez(stream, **beside_it.arrays, **texts)
            return


def _computed_anew(folder: Path) -> Shown:
    store = open_store(folder)
    try:
        return computed(load_grid(store))
    finally:
        store.close()


def read_kept(folder: Path) -> Shown | None:
    """What was kept; None where there is nothing, of another state of the store or of the code, or no such file."""
    # Readers of damaged archives, headers and JSON raise whatever the bytes lead them into, or take no end of memory.
    with suppress(Exception), opened_file(folder / KEPT) as stream:
        _check_listing(stream)
        with ZipFile(stream) as kept:
            members = {one.filename.removesuffix(NPY): one for one in kept.infolist()}
            _check_members(members.values())
            # A file of somebody else's goes no further than this.
            if kept.read(members.pop(STATE)) != _as_npy(_bytes_in(state_of(folder))):
                return None
            facts = parse_json(_array_in(kept.read(members.pop(FACTS))).tobytes())
            if is_table(facts):
                arrays = {name: _array_in(kept.read(one)) for name, one in members.items()}
                return typed(Shown, facts["shown"], read_beside(arrays, facts[SENTENCES]))
    return None


def _check_listing(stream: BinaryIO) -> None:
    """Raise ValueError for a list of members other than we write, before it is read: its length stands at the end."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 42))
    end = stream.read()
    listing = int.from_bytes(end[-10:-6], "little")
    is_ours = len(end) == 42 and end[-22:-18] == b"PK\5\6" and end[-2:] == b"\0\0" and not end.startswith(b"PK\6\7")
    if not is_ours or listing > MOST_LISTING or size > MOST_BYTES:
        raise ValueError("no archive of ours")


def _check_members(members: Iterable[ZipInfo]) -> None:
    """Raise ValueError for what unpacks to more than it is: ours are not compressed, and no two share their bytes."""
    if any(one.compress_type != ZIP_STORED or one.file_size != one.compress_size for one in members):
        raise ValueError("compressed")
    if sum(one.file_size for one in members) > MOST_BYTES:
        raise ValueError("too large")


def _array_in(npy: bytes) -> np.ndarray:
    """The array of a .npy file of the first version. Raises ValueError for objects, and for another length."""
    stream = BytesIO(npy)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("another version")
    shape, by_columns, kind = np.lib.format.read_array_header_1_0(stream)
    if kind.hasobject or math.prod(shape) * kind.itemsize != len(npy) - stream.tell():
        raise ValueError("no plain numbers, or not as many")
    return np.frombuffer(npy, kind, offset=stream.tell()).reshape(shape, order="F" if by_columns else "C")


def _as_npy(array: np.ndarray) -> bytes:
    stream = BytesIO()
    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def _bytes_in(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def state_of(folder: Path) -> str:
    """What a kept ranking holds for: the store as it is now, and the code that ranks."""
    return sha256(f"{last_changed(folder)} {_code()} {np.__version__}".encode()).hexdigest()


@cache
def _code() -> str:
    """A hash over the sources of what ranks."""
    found = sha256()
    for root in eval.__path__:
        for room in RANKED_BY:
            for path in sorted((Path(root) / room).rglob("*.py")):
                found.update(path.read_bytes())
    return found.hexdigest()


def _kept_by_another_process(folder: Path) -> bool:
    """Whether a process of its own could keep the ranking. What is wrong with a store is told by opening it here."""
    here = str(Path(__file__).resolve().parents[2])
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))}
    command = [sys.executable, "-m", "studio.shared.kept_ranking", str(folder)]
    ran = subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return ran.returncode == 0


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
