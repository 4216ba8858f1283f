"""What tests of several pages share: a made-up store, and the same as the pages open it."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.shared.stores import OpenedStore, open_for_pages
from synthetic_store import write_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def opened(store: Path) -> OpenedStore:
    return open_for_pages(store)
