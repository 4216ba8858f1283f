"""What tests of searches share: a grid that is not rendered yet, and the same one after a search."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.request.spec import read_spec
from eval.search.run_search import run_search
from foundation.progress import Silent
from grid_folders import GridFolder, at, copy_of_one_made_once
from searches import copy_of, write_searched_grid


@pytest.fixture(scope="session")
def before_and_after(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, of the same LoRA files to the bit: other bytes are other cells."""

    def search(folder: Path) -> None:
        made = copy_of(write_searched_grid(folder / "written"), folder / "searched")
        run_search(read_spec(made.spec), False, Silent())

    return copy_of_one_made_once(tmp_path_factory, "search", search)


@pytest.fixture(scope="session")
def written(before_and_after: Path) -> GridFolder:
    """A grid of twelve cells that is not rendered yet, and a search that ends with two of them."""
    return at(before_and_after / "written")


@pytest.fixture(scope="session")
def searched(before_and_after: Path) -> GridFolder:
    """The same after that search."""
    return at(before_and_after / "searched")
