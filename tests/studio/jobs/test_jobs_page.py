"""The page of jobs: a command is shown, begun, and told of when it is over."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from eval.store.connection import FILE_NAME
from foundation.printing import as_typed
from studio.jobs.commands import CHECK, REPORT
from studio.jobs.job_queue import open_jobs, queue_of
from studio.jobs.kept_job import JOB, jobs_in, keep, new_job

ENTRY = Path(__file__).resolve().parents[3] / "studio" / "streamlit_app.py"
SECONDS = 60


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AppTest]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["streamlit_app.py"])
    return lambda: AppTest.from_file(str(ENTRY), default_timeout=SECONDS).switch_page("jobs/jobs_page.py").run()


def words(app: AppTest) -> str:
    return "\n".join(one.value for one in (*app.title, *app.markdown, *app.caption, *app.warning)).replace("\\", "")


def pressed(app: AppTest, label: str) -> AppTest:
    next(one for one in app.button if one.label == label).click().run()
    assert not app.exception
    return app


def test_a_form_shows_the_command_and_says_what_is_wrong_with_it(page: Callable[[], AppTest], tmp_path: Path) -> None:
    (tmp_path / "runs" / "a b").mkdir(parents=True)
    (tmp_path / "runs" / "a b" / FILE_NAME).touch()
    app = page()
    assert not app.exception
    assert "Nothing runs." in words(app)
    app.selectbox(key="what to do").select(REPORT.title).run()
    pressed(app, "Only show the command")
    assert "File: is still to be said" in words(app)
    app.text_input(key="ask report output").set_value("one.html")
    pressed(app, "Only show the command")
    assert app.code[-1].value == as_typed("python -m eval report 'runs/a b' --output one.html")
    app.text_input(key="ask report output").set_value("/etc/one.html")
    pressed(app, "Only show the command")
    assert "/etc/one.html: lies outside of the folders that the studio was started with" in words(app)


def test_a_job_is_begun_and_its_end_is_told(page: Callable[[], AppTest], tmp_path: Path) -> None:
    (tmp_path / "<b>x").mkdir()
    (tmp_path / "<b>x" / "train.toml").write_text("[", encoding="utf-8")
    app = page()
    app.selectbox(key="what to do").select(CHECK.title).run()
    pressed(app, "Begin")
    assert len(jobs_in(queue_of(tmp_path))) == 1
    end = time.monotonic() + SECONDS
    while open_jobs(queue_of(tmp_path)):
        assert time.monotonic() < end
        time.sleep(0.1)
    app.run()
    assert not app.exception
    assert list(app.dataframe[0].value["became"]) == ["refused"]
    labels = [one.label for one in app.button]
    assert "Begin it anew" in labels
    assert "Go on" not in labels, "there is nothing to go on with"
    assert "Check a dataset: <b>x/train.toml** could not do it" in words(app)
    assert any("not valid TOML" in one.value for one in app.code)
    pressed(app, "Forget it")
    assert jobs_in(queue_of(tmp_path)) == []


def test_a_queue_that_stands_still_is_told_and_a_waiting_job_taken_out(
    page: Callable[[], AppTest], tmp_path: Path
) -> None:
    job = new_job("eval", ["grid", "x.toml"], "Draw _x_", tmp_path, "processor")
    (queue_of(tmp_path) / job.id).mkdir(parents=True)
    keep(queue_of(tmp_path) / job.id, JOB, job)
    app = page()
    assert not app.exception
    assert "nobody begins them: the machine was restarted" in words(app)
    assert "Draw _x_" in words(app)
    pressed(app, "Take out")
    assert "was taken out of the queue" in words(app)
    assert "nobody begins them" not in words(app)
