"""What lies below where the studio was started: subjects, runs, stores, folders of LoRA files. No Streamlit here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from eval.store.connection import STORE_FILES, is_store
from foundation.errors import UserError
from foundation.safetensors_header import read_header

TRAIN, GRID = "train.toml", "grid.toml"
RECORD = "-run.json"
LORA = ".safetensors"
# One of these is in some key of every file of changes to weights, whatever its kind and spelling.
MARKS = ("lora", "hada", "lokr", "oft", "alpha", "diff", "ia3", "a1.weight")
# Deep enough for runs/<subject>/<run>/eval; so many folders are looked into, so that a home folder is answered too.
DEPTH, MOST_FOLDERS = 5, 4000
LARGEST_LORA = 2 * 2**30  # bytes; what is larger is a base model
LOOKED_FOR_EVERY = 5.0  # seconds
LEFT_OUT = frozenset({"node_modules", "__pycache__", "site-packages"})
# In a checkout of the studio's own code: what its tests and benchmarks keep is nobody's work.
HOUSE = Path(__file__).resolve().parents[2]
OWN = frozenset({HOUSE / "tests", HOUSE / "benchmarks"})
# Folders that have such a file hold what is ours, and no more work: pictures, jobs.
CLOSED = (*STORE_FILES, "queue.lock")


@dataclass(frozen=True)
class LoraFolder:
    """A folder with LoRA files in it: how many, and when the last was written (seconds since 1970)."""

    folder: Path
    count: int
    changed: float


@dataclass
class FoundWork:
    """All that was found; `is_whole`: there were not too many folders to look into."""

    trains: list[Path] = field(default_factory=list[Path])
    grids: list[Path] = field(default_factory=list[Path])
    stores: list[Path] = field(default_factory=list[Path])
    records: list[Path] = field(default_factory=list[Path])
    loras: list[LoraFolder] = field(default_factory=list[LoraFolder])
    is_whole: bool = True

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to go on with."""
        return not (self.trains or self.grids or self.stores or self.records or self.loras)


def find_work(roots: Sequence[Path]) -> FoundWork:
    """Look below these folders. Links to folders are not followed, hidden ones are left out, and so is what a store
    holds."""
    found = FoundWork()
    above = [one for one in dict.fromkeys(roots) if not any(other in one.parents for other in roots)]
    listed = (one for root in above for one in _folders(root))
    for seen, (folder, entries) in enumerate(listed):
        if seen == MOST_FOLDERS:
            found.is_whole = False
            break
        _note(folder, entries, found)
    return found


def found_lately(roots: tuple[Path, ...]) -> FoundWork:
    """The same, looked for again every few seconds: a page is drawn with each click."""
    return _found_at(roots, int(time.monotonic() / LOOKED_FOR_EVERY))


@lru_cache(maxsize=8)
def _found_at(roots: tuple[Path, ...], moment: int) -> FoundWork:
    """`moment` is part of the key only."""
    return find_work(roots)


def _note(folder: Path, entries: Sequence[os.DirEntry[str]], found: FoundWork) -> None:
    names = {one.name for one in entries}
    for name, places in ((TRAIN, found.trains), (GRID, found.grids)):
        if name in names:
            places.append(folder / name)
    if names & {*STORE_FILES} and is_store(folder):  # a link of that name may lead nowhere
        found.stores.append(folder)
    found.records += [folder / name for name in sorted(names) if name.endswith(RECORD)]
    sizes = [facts for one in entries if one.name.endswith(LORA) and (facts := _facts(one)) is not None]
    loras = [facts for facts in sizes if facts.st_size <= LARGEST_LORA]
    # A diffusers folder of a base model has its description beside its weights.
    if (
        loras
        and not _are_of_a_model(folder, entries)
        and "config.json" not in names
        and "model_index.json" not in names
        and folder.name != "exports"
    ):
        found.loras.append(LoraFolder(folder, len(loras), max(one.st_mtime for one in loras)))


def _are_of_a_model(folder: Path, entries: Sequence[os.DirEntry[str]]) -> bool:
    """Whether the first .safetensors file is a sound one that holds no LoRA: a judge's weights, an upscaler's.

    What cannot be read is shown: `eval inspect` says what is wrong with it.
    """
    first = next(folder / one.name for one in entries if one.name.endswith(LORA))
    return _holds_no_lora(first, (_facts_of(first) or 0))


@lru_cache(maxsize=4096)
def _holds_no_lora(path: Path, changed: int) -> bool:
    """`changed` is part of the key only."""
    try:
        keys = read_header(path).shapes
    except (UserError, OSError):
        return False
    return bool(keys) and not any(mark in key for key in keys for mark in MARKS)


def _facts_of(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _folders(root: Path) -> Iterator[tuple[Path, Sequence[os.DirEntry[str]]]]:
    """Breadth first, so that what is near is found where there are too many."""
    level = [root]
    for _ in range(DEPTH):
        below: list[Path] = []
        for folder in level:
            try:
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda one: one.name)
            except OSError:
                continue
            yield folder, entries
            if not any(one.name in CLOSED for one in entries):
                below += [Path(one.path) for one in entries if _is_looked_into(one)]
        level = below


def _is_looked_into(entry: os.DirEntry[str]) -> bool:
    hidden = entry.name.startswith(".") or entry.name in LEFT_OUT
    return not hidden and entry.is_dir(follow_symlinks=False) and Path(entry.path).resolve() not in OWN


def _facts(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return None
