"""A store that is moved away, or in whose place something else stands, is told of on its pages, left out elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from eval.store.connection import FILE_NAME, last_changed
from studio.shared.found_work import find_work
from studio.shared.stores import stores_below
from synthetic_store import Size, write_store

ENTRY = Path(__file__).resolve().parents[3] / "studio" / "streamlit_app.py"
WITHOUT_STORE = ("weight_blending/blending_page.py", "home/home_page.py")
TINY = Size(epochs=(1, 2), unet=(1.0,), te=(1.0,), seeds=2)


@pytest.mark.parametrize("instead", ["nothing", "a pipe", "a link to itself"])
def test_pages_go_on_when_the_open_store_is_gone(tmp_path: Path, instead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = write_store(tmp_path / "runs", TINY)
    monkeypatch.delenv("LORA_STUDIO_STORE", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("studio.jobs.job_queue.see_to", lambda queue, device: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["streamlit_app.py", str(store)])
    app = AppTest.from_file(str(ENTRY), default_timeout=60).run()
    app.switch_page("ranking/ranking_page.py").run()
    assert not app.exception
    assert not app.error
    store.rename(tmp_path / "elsewhere")
    if instead == "a pipe":
        os.mkfifo(store)
    elif instead == "a link to itself":
        store.mkdir()
        (store / FILE_NAME).symlink_to(FILE_NAME)
    for page in WITHOUT_STORE:
        app.switch_page(page).run()
        assert not app.exception
    app.switch_page("ranking/ranking_page.py").run()
    assert not app.exception
    assert "not a store" in app.warning[0].value


def test_a_stores_file_that_leads_to_itself_makes_no_store(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / FILE_NAME).symlink_to(FILE_NAME)
    assert find_work([tmp_path]).stores == stores_below(tmp_path) == []
    assert last_changed(tmp_path / "odd") == (0, 0)
