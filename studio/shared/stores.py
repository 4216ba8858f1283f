"""Stores: which there are, and what an opened one holds. No Streamlit here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from eval.judging.stored_grid import load_whole_grid
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import Scored, Scores
from eval.reporting.ranked_grid import RankedGrid
from eval.request.cells import Cell
from eval.store.connection import is_store, last_changed
from eval.store.store import open_store
from eval.store.store_progress import StoreProgress, progress_of
from eval.wording.subject_words import SubjectWords
from foundation.errors import UserError
from studio.shared.allowed_folders import VARIABLE
from studio.shared.kept_ranking import shown_of

RUNS = "runs"
# Deep enough for runs/<subject>/<run>/eval.
DEPTH = 4


@dataclass(frozen=True, eq=False)  # one is itself alone: its arrays cannot be compared, and what follows is kept by it
class OpenedStore:
    """A ranked grid with the likeness of every picture: `identity` (C, U), `identity_control` (U,); NaN: not seen.

    `ways`: the scores of each way to draw, from which it is ranked anew under other limits.
    """

    folder: Path
    ranked: RankedGrid
    scores: Scores
    identity: np.ndarray
    identity_control: np.ndarray
    ways: list[Scored]

    @property
    def rows(self) -> list[RankedCell]:
        """The ranking, best first."""
        return self.ranked.rows

    @property
    def words(self) -> SubjectWords:
        """What the kind of subject is called."""
        return self.ranked.evidence.words

    def place_in_evidence(self, row: RankedCell) -> int:
        """The index of the row's cell in the evidence's arrays. Twins (one id, two names) have equal vectors."""
        return self._places[row.cell]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {cell.id: at for at, cell in reversed(list(enumerate(self.ranked.evidence.cells)))}

    def cell(self, row: RankedCell) -> Cell:
        """The cell under the row's own name: a file under two names is one cell, but two parents to tell of."""
        return self.ranked.grid.cell(row.cell, row.checkpoint)


def find_stores(arguments: Sequence[str], variables: Mapping[str, str], here: Path) -> list[Path]:
    """The stores to offer: named ones (arguments, then the variable LORA_STUDIO_STORE), else those below `here`/runs.

    A named folder that is no store stands for the stores below it; where there are none it is kept, so that opening
    it says what is wrong.
    """
    named = [*arguments, *variables.get(VARIABLE, "").split(os.pathsep)]
    folders = [(here / Path(name).expanduser()).resolve() for name in named if name]
    found = [store for folder in folders for store in (stores_below(folder) or [folder])]
    return list(dict.fromkeys(found)) if folders else stores_below((here / RUNS).resolve())


def stores_below(folder: Path) -> list[Path]:
    """Folders with a store's file, `folder` itself included, the last changed first. What a store holds is no store."""
    found: list[Path] = []
    level = [folder]
    for _ in range(DEPTH):
        found += filter(is_store, level)
        level = [below for one in level if not is_store(one) for below in _folders_in(one)]
    return sorted(found, key=lambda store: max(last_changed(store)), reverse=True)


def _folders_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as listing:
            return [Path(one.path) for one in listing if one.is_dir()]
    except OSError:
        return []


def open_for_pages(folder: Path) -> OpenedStore:
    """Open and rank a store. Raises StoreError, or UnscorableError as the ranking does."""
    grid, shown = shown_of(folder)
    ranked = RankedGrid(grid, shown.evidence, shown.rows)
    return OpenedStore(folder, ranked, shown.scores, shown.identity, shown.identity_control, shown.ways)


def store_progress(folder: Path) -> StoreProgress:
    """How far a store is: pictures, time left. Raises StoreError."""
    store = open_store(folder)
    try:
        return progress_of(store)
    finally:
        store.close()


def finished_first(folders: Sequence[Path]) -> list[Path]:
    """The same, those before that can be ranked; one that cannot be opened is none of them."""
    return sorted(folders, key=lambda folder: not is_finished(folder, last_changed(folder)))


@lru_cache(maxsize=256)
def is_finished(folder: Path, changed: tuple[int, int]) -> bool:
    """Whether a store can be ranked, and nothing more is asked of it. `changed` is part of the key only."""
    try:
        return store_progress(folder).is_finished
    except (UserError, OSError):
        return False


def is_being_drawn(folder: Path) -> bool:
    """Whether a grid draws the store at this moment, whoever began it."""
    try:
        return store_progress(folder).is_being_drawn
    except (UserError, OSError):
        return False


@dataclass(frozen=True)
class DrawnLoras:
    """The LoRA files that a store's cells are of, by name and by sha256; `by_search`: a search chose among them."""

    names: frozenset[str]
    hashes: frozenset[str]
    by_search: bool


@lru_cache(maxsize=64)
def drawn_loras(folder: Path, changed: tuple[int, int]) -> DrawnLoras:
    """What the cells of a finished store are of. Raises StoreError. `changed` is part of the key only."""
    store = open_store(folder)
    try:
        snapshot = load_whole_grid(store).snapshot
    finally:
        store.close()
    own = [cell.uses[0] for cell in snapshot.cells]
    return DrawnLoras(
        frozenset(Path(use.path).name for use in own),
        frozenset(use.sha256 for use in own),
        snapshot.search is not None,
    )


def short_names(folders: Sequence[Path], here: Path) -> dict[Path, str]:
    """Folders as a person would write them from `here`."""
    return {folder: str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder) for folder in folders}
