"""A small grid that tests may judge anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eval.grid.run_grid import run_grid
from eval.request.spec import read_spec
from foundation.progress import Silent
from grid_folders import GridFolder, write_grid


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> GridFolder:
    """A grid of its own, since what is tested changes it."""
    grid = write_grid(tmp_path_factory.mktemp("scored"), steps=2)
    run_grid(read_spec(grid.spec), Silent())
    return grid


@pytest.fixture
def grid(made: GridFolder, tmp_path: Path) -> GridFolder:
    shutil.copytree(made.folder, tmp_path / "grid")
    folder = tmp_path / "grid"
    return GridFolder(folder, folder / made.spec.name, folder / "läufe" / "eval")
