"""What tests of searches share: a grid that is not rendered yet, and the same one after a search."""

from __future__ import annotations

import pytest

from eval.request.spec import read_spec
from eval.search.run_search import run_search
from foundation.progress import Silent
from grid_folders import GridFolder
from searches import copy_of, write_searched_grid


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> GridFolder:
    """A grid of twelve cells that is not rendered yet, and a search that ends with two of them."""
    return write_searched_grid(tmp_path_factory.mktemp("search"))


@pytest.fixture(scope="session")
def searched(written: GridFolder, tmp_path_factory: pytest.TempPathFactory) -> GridFolder:
    made = copy_of(written, tmp_path_factory.mktemp("done") / "grid")
    run_search(read_spec(made.spec), False, Silent())
    return made
