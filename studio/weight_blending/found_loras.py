"""The LoRA files that can be blended: those of the open store's cells, and those that lie about. No Streamlit here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from eval.ranking.ranked_cell import RankedCell
from studio.shared.allowed_folders import AllowedFolders
from studio.shared.found_work import LoraFolder
from studio.shared.stores import OpenedStore
from studio.weight_blending.recipe import Part

MOST = 500


def loras_for(opened: OpenedStore | None, folders: Iterable[LoraFolder], blends: Iterable[Path] = ()) -> list[Path]:
    """Files to choose from, each once: the grid's own first, best first, then `blends`, then those of `folders` by
    name."""
    own = [use.checkpoint.path for row in opened.rows for use in opened.cell(row).uses] if opened else []
    below = (path for one in folders for path in sorted(one.folder.glob("*.safetensors")))
    return [path for path in dict.fromkeys([*own, *blends, *islice(below, MOST)]) if path.is_file()]


def labels_of(paths: Sequence[Path], folders: AllowedFolders) -> dict[Path, str]:
    """What to call each file: its name, and with its folder where several have the same one."""
    times = Counter(path.stem for path in paths)
    return {
        path: path.stem if times[path.stem] == 1 else f"{path.stem}  ({folders.called(path.parent)})" for path in paths
    }


def scored_alone(opened: OpenedStore | None, parts: Iterable[Part]) -> list[tuple[Part, RankedCell]]:
    """What is known of each part by itself: its best row in the open store, blended with nothing."""
    rows = [row for row in opened.rows if not row.also] if opened else []
    found: list[tuple[Part, RankedCell]] = []
    for part in parts:
        own = [row for row in rows if opened and opened.cell(row).use.checkpoint.path == part.path]
        if own:
            found.append((part, max(own, key=lambda row: row.identity)))
    return found
