"""The ranking of a large store, kept beside it: what an opened store shows, without a vector. No Streamlit here.

A hundred thousand pictures have gigabytes of vectors, which a server that stays up must not hold, and whose ranking
takes longer than anybody waits for a page. So a process of its own reads and ranks them, and leaves what came of it in
`STORE/ranking.npz`. The file holds for one state of the store and one version of the code that ranks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

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
from foundation.files import whole_file
from foundation.typed.json_values import is_table, parse_json
from foundation.typed.untyped import untyped
from studio.shared.plain_values import Beside, plain, read_beside, typed

KEPT = "ranking.npz"
FACTS, SENTENCES = "facts", "sentences"
# As many pictures are read and ranked in two seconds; of more a page does not wait.
LARGE = 10_000
# Rooms whose code says what a ranking is.
RANKED_BY = ("judging", "ranking", "statistics", "ways", "wording", "request")
MOST_BYTES = 2**29
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
            told = json.dumps({"state": before, "shown": facts, SENTENCES: beside_it.entries}).encode()
            with whole_file(folder / KEPT) as beside, beside.open("wb") as stream:
                untyped(np).savez(stream, **beside_it.arrays, **{FACTS: np.frombuffer(told, dtype=np.uint8)})
            return


def _computed_anew(folder: Path) -> Shown:
    store = open_store(folder)
    try:
        return computed(load_grid(store))
    finally:
        store.close()


def read_kept(folder: Path) -> Shown | None:
    """What was kept; None where there is nothing, of another state of the store or of the code, or no such file."""
    path = folder / KEPT
    with suppress(OSError, ValueError, KeyError, TypeError):
        if path.stat().st_size > MOST_BYTES:
            return None
        with np.load(path, allow_pickle=False) as kept:
            facts = parse_json(kept[FACTS].tobytes())
            if not is_table(facts) or facts.get("state") != state_of(folder):
                return None
            arrays = {name: kept[name] for name in kept.files if name != FACTS}
            return typed(Shown, facts["shown"], read_beside(arrays, facts[SENTENCES]))
    return None


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
