"""Folders that are either whole or absent: written beside, then renamed into place."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from foundation.files import gone_at_last, partial_beside, sweep_partial, told_of


@contextmanager
def whole_folder(path: Path) -> Generator[Path]:
    """Yield a new folder beside `path`; it becomes `path` when the block ends well, else it vanishes.

    `path` does not exist yet. What a kill left of an earlier attempt at the same folder is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_partial(path.parent, f"{path.stem}-")
    beside = partial_beside(path)
    with told_of(path, beside), gone_at_last(beside):
        beside.mkdir()
        yield beside
        os.rename(beside, path)
