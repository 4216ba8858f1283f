"""A small grid that tests may judge anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eval.grid.run_grid import run_grid
from eval.request.spec import read_spec
from foundation.progress import Silent
from grid_folders import GridFolder, at, copy_of_one_made_once, write_grid


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> GridFolder:
    """A grid that was rendered and scored, in two steps a picture."""

    def score(folder: Path) -> None:
        run_grid(read_spec(write_grid(folder, steps=2).spec), Silent())

    return at(copy_of_one_made_once(tmp_path_factory, "scored", score))


@pytest.fixture
def grid(made: GridFolder, tmp_path: Path) -> GridFolder:
    """A copy of its own, since what is tested changes it."""
    return at(Path(shutil.copytree(made.folder, tmp_path / "grid")))
