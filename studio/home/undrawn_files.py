"""Which files that a grid names are not in its store: those of a later training. No Streamlit here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from eval.request.checkpoints import files_named
from studio.shared.stores import DrawnLoras


def undrawn_files(patterns: Sequence[str], trained: Mapping[Path, str], drawn: DrawnLoras) -> list[Path]:
    """The files that the patterns of a specification name and that no cell of its store is of, in their order.

    `trained`: the files of the subject's run with their sha256: a later run may have written them by the same names.
    Other files are told by their names, for hashing them takes longer than a page may. A search leaves files out of
    its own accord, so of its store only one that has none of them lacks any.
    """
    named = list(dict.fromkeys(file for pattern in patterns for file in files_named(pattern)))
    missing = [file for file in named if not is_drawn(file, trained, drawn)]
    return [] if drawn.by_search and len(missing) < len(named) else missing


def is_drawn(file: Path, trained: Mapping[Path, str], drawn: DrawnLoras) -> bool:
    """Whether some cell is of the file."""
    sha256 = trained.get(file.resolve())
    return file.name in drawn.names if sha256 is None else sha256 in drawn.hashes
