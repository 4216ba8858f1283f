"""What several tests share: a small grid that was really rendered."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from grid_folders import STEPS, GridFolder, at, copy_of_one_made_once, write_grid
from kept_tokenizers import keep_tokenizers

if TYPE_CHECKING:
    from kept_rows import KeptRows
    from postgres_server import PostgresServer

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Ray's workers give way to all else by themselves, and beside other tests they would hardly come to anything.
os.environ.setdefault("RAY_worker_niceness", "0")
# A busy machine is slow and not wrong: no test asks how long anything took, and neither do drawn examples.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_xdist_auto_num_workers() -> int | None:
    """One process more than there are cores: a fourth of their time they wait, mostly for commands that tests type."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@pytest.fixture(scope="module", autouse=True)
def _what_is_loaded_is_not_searched_for_garbage() -> None:
    """A process with every library has millions of objects, which each full collection would go through again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def rendered_grid(tmp_path_factory: pytest.TempPathFactory) -> GridFolder:
    """A grid that was rendered and scored once for all tests that read it."""

    def render(folder: Path) -> None:
        from eval.grid.run_grid import run_grid
        from eval.request.spec import read_spec
        from foundation.progress import Silent

        run_grid(read_spec(write_grid(folder, steps=STEPS).spec), Silent())

    return at(copy_of_one_made_once(tmp_path_factory, "grid with spaces ü", render))


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    """A server that is this process's own, begun by the first test that asks for it."""
    from postgres_server import postgres_server, why_none

    if why := why_none():
        pytest.skip(why)
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def kept_rows(request: pytest.FixtureRequest) -> KeptRows:
    """Each place that can keep a store's rows."""
    from kept_rows import InPostgres, InSqlite

    return InSqlite() if request.param == "sqlite" else InPostgres(request.getfixturevalue("postgres"))


def pytest_runtest_setup() -> None:
    """Nothing hangs on how wide the terminal is in which the tests run, which pytest-xdist tells its workers."""
    os.environ.pop("COLUMNS", None)
    # readline, which pytest imports, tells child processes behind the back of `os.environ`.
    os.unsetenv("COLUMNS")
    if "transformers" in sys.modules:  # which a test of arithmetic alone need not load
        _tokenizers_are_kept()


@cache
def _tokenizers_are_kept() -> None:
    keep_tokenizers()


def pytest_unconfigure() -> None:
    """What is left at the end is collected as ever: extension modules tell of what they still hold."""
    gc.unfreeze()
