"""Pages in other languages: as the browser asks, or as somebody chose; nothing of the studio's stays English."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from starlette.responses import PlainTextResponse
from streamlit.testing.v1 import AppTest

from studio.jobs.job_queue import queue_of
from studio.jobs.job_state import state_of
from studio.jobs.kept_job import ENDED, JOB, Ended, keep, new_job, read_job, title_in_words
from studio.languages.known import LANGUAGES
from studio.languages.translation import language, speaking, tr
from studio.picture_wall.chosen_place import known_axes
from studio.picture_wall.wall import Wall
from studio.picture_wall.wall_data import words_of_wall
from studio.ranking.known_charts import known_curve
from studio.shared.closed_server import ClosedServer
from studio.shared.stores import OpenedStore

ENTRY = Path(__file__).resolve().parents[3] / "studio" / "streamlit_app.py"
SECONDS = 60
OTHERS = ["ja", "zh_Hant"]
HEADINGS = {
    "jobs/jobs_page.py": ("Jobs", "Begin with another"),
    "ranking/ranking_page.py": ("Ranking", "Charts"),
    "picture_wall/wall_page.py": ("Grid",),
    "comparing/comparing_page.py": ("Pictures, side by side",),
    "voting/voting_page.py": ("Vote",),
    "exporting/export_page.py": ("Export",),
    "weight_blending/blending_page.py": ("Blend",),
    "training_runs/runs_page.py": ("Runs",),
    "data/data_page.py": ("Data",),
}
Visit = Callable[[str, str | None], AppTest]


@pytest.fixture
def visit(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Visit:
    """A visit of a page by a browser of a language."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["streamlit_app.py", str(store)])

    def opened(page: str, locale: str | None) -> AppTest:
        monkeypatch.setattr(type(st.context), "locale", property(lambda _: locale))
        app = AppTest.from_file(str(ENTRY), default_timeout=SECONDS)
        return (app.switch_page(page) if page else app).run()

    return opened


def headings(app: AppTest) -> set[str]:
    return {one.value for one in (*app.title, *app.header, *app.subheader)}


def chosen(app: AppTest, before: str, code: str) -> None:
    """Chooses a language. AppTest sends what is shown as it would be said here and now: in the language before."""
    with speaking(before):
        app.selectbox(key="language").set_value(code).run()
    assert not app.exception


@pytest.mark.parametrize("page", HEADINGS)
@pytest.mark.parametrize(("code", "locale"), [("ja", "ja-JP"), ("zh_Hant", "zh-TW")])
def test_a_page_speaks_the_browsers_language(visit: Visit, page: str, code: str, locale: str) -> None:
    app = visit(page, locale)
    assert not app.exception
    with speaking(code):
        wanted = {tr(one) for one in HEADINGS[page]}
    assert wanted <= headings(app)
    assert not wanted & {*HEADINGS[page]}


def test_home_is_translated_and_the_choice_is_kept_over_pages(visit: Visit) -> None:
    app = visit("", "de-DE")
    assert not app.exception
    assert "Grids" in headings(app)
    chooser = app.selectbox(key="language")
    assert chooser.options == [one.name for one in LANGUAGES.values()]
    chosen(app, "en", "zh_Hant")
    assert "網格" in headings(app)
    app.switch_page("jobs/jobs_page.py").run()
    assert "工作" in headings(app)
    assert app.selectbox(key="language").value == "zh_Hant"
    chosen(app, "zh_Hant", "en")
    assert "Jobs" in headings(app)


@pytest.mark.parametrize("page", HEADINGS)
def test_the_language_changes_under_a_page_and_back(visit: Visit, page: str) -> None:
    """A browser then still sends what it showed in the language before."""
    app = visit(page, "en")
    before = [(one.key, one.value) for one in app.selectbox if one.key]
    chosen(app, "en", "ja")
    with speaking("ja"):
        assert {tr(one) for one in HEADINGS[page]} <= headings(app)
    chosen(app, "ja", "en")
    assert {*HEADINGS[page]} <= headings(app)
    assert [(one.key, one.value) for one in app.selectbox if one.key] == before


def test_a_refused_form_is_refused_in_words_that_can_be_read(visit: Visit) -> None:
    app = visit("jobs/jobs_page.py", "ja")
    begin = next(one for one in app.button if one.label == "開始")
    with speaking("ja"):
        begin.click().run()
    assert not app.exception
    assert any("未入力です" in one.value for one in app.warning)


@pytest.mark.parametrize(
    ("header", "lang", "words"),
    [
        ("ja,en;q=0.5", "ja", "開く"),
        ("zh-TW", "zh-Hant", "開啟"),
        ("<script>", "en", "Open"),
        ("", "en", "Open"),
    ],
)
def test_the_form_that_asks_for_a_token_speaks_as_the_request_asks(header: str, lang: str, words: str) -> None:
    door = ClosedServer(PlainTextResponse("within"), lambda: ["localhost"], "a token of many letters")
    headers = [(b"host", b"localhost"), (b"accept-language", header.encode())]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/", "method": "GET", "headers": headers, "query_string": b""}
    asyncio.run(door(scope, receive, send))
    page = sent[1]["body"].decode()
    assert f'<html lang="{lang}">' in page
    assert f"<button>{words}</button>" in page
    assert "<script>" not in page
    assert language() == "en", "a request's language is its own"


@pytest.mark.parametrize("code", OTHERS)
def test_what_is_kept_of_a_job_is_kept_in_english_and_said_in_the_readers_language(code: str, tmp_path: Path) -> None:
    job = new_job("trainer", ["run", "{x}.toml"], "Train: {x}.toml", tmp_path, "processor")
    folder = queue_of(tmp_path) / job.id
    folder.mkdir(parents=True)
    keep(folder, JOB, job)
    words = "was not begun, because `{job}` before it did not end well"
    keep(folder, ENDED, Ended(code=None, at=1.0, how="not begun", words=words, values={"job": "{command} %s"}))
    files = read_job(folder)
    assert state_of(files).words == "was not begun, because `{command} %s` before it did not end well"
    assert title_in_words(job) == "Train: {x}.toml"
    with speaking(code):
        assert "`{command} %s`" in state_of(files).words
        assert "begun" not in state_of(files).words
        assert title_in_words(job).endswith("：{x}.toml")
        assert not title_in_words(job).startswith("Train")


def test_an_end_that_an_earlier_version_kept_is_said_as_it_was(tmp_path: Path) -> None:
    job = new_job("trainer", ["run"], "Train", tmp_path, "processor")
    folder = queue_of(tmp_path) / job.id
    folder.mkdir(parents=True)
    keep(folder, JOB, job)
    earlier = '{"code": null, "at": 1.0, "how": "not begun", "words": "was not begun, because `{x}` failed"}'
    (folder / ENDED).write_text(earlier)
    with speaking("ja"):
        assert state_of(read_job(folder)).words == "was not begun, because `{x}` failed"


@pytest.mark.parametrize("code", OTHERS)
def test_what_is_drawn_once_is_drawn_once_for_each_language(code: str, opened: OpenedStore) -> None:
    english, axes, wall = known_curve(opened, ()), known_axes(opened), words_of_wall()
    with speaking(code):
        assert known_curve(opened, ()) != english
        assert known_axes(opened) is not axes
        assert {*words_of_wall()} == {*wall}
        assert not {*words_of_wall().values()} & {*wall.values()}
    assert known_curve(opened, ()) is english
    assert known_axes(opened) is axes


@pytest.mark.parametrize("locale", ["en", "ja"])
def test_a_contact_sheet_is_in_letters_that_its_font_has(
    visit: Visit, locale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung: list[Wall] = []
    monkeypatch.setattr("studio.picture_wall.sheet.sheet_png", lambda _, wall: hung.append(wall) or b"")
    monkeypatch.setattr(st, "download_button", lambda _, data, *more, **named: data())
    app = visit("picture_wall/wall_page.py", locale)
    assert not app.exception
    (wall,) = hung
    assert "base model" in wall.columns
    told = [*wall.columns, *wall.rows, *(tile.score for row in wall.tiles for tile in row if tile)]
    assert all(one.isascii() for one in told)
