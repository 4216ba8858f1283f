"""The page of a dataset: findings with pictures, captions edited safely and put back, reg pictures, the plan."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from miniature.paths import SUBJECT
from studio.data.caption_table import (
    CaptionEditError,
    can_undo,
    caption_rows,
    edits,
    filtered,
    save,
    tags_of,
    take_back,
)
from studio.data.datasets import DataOutsideError, dataset_of
from studio.data.findings_shown import read_check
from studio.data.picture_tiles import LONGEST, Tile, wall_of
from studio.data.plan_shown import read_plan
from studio.jobs.job_queue import queue_of
from studio.jobs.kept_job import ENDED, JOB, SAID, Ended, jobs_in, keep, new_job
from studio.shared.allowed_folders import allowed_folders
from trainer.captioning.caption_files import Change

ENTRY = Path(__file__).resolve().parents[3] / "studio" / "streamlit_app.py"
HOSTILE = "<img src=x onerror=alert(1)> \u202e'\" & <script>"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a small subject in it: two pictures, two reg pictures, a configuration."""
    folder = tmp_path / "hina"
    for name, kohya in (("Train", "7_ohwx person"), ("Reg", next((SUBJECT / "Reg").iterdir()).name)):
        (folder / name / kohya).mkdir(parents=True)
        for picture in sorted((SUBJECT / name / kohya).glob("*.png"))[:2]:
            for file in (picture, picture.with_suffix(".txt")):
                if file.exists():
                    shutil.copy(file, folder / name / kohya)
    text = '[model]\nbase = "miniature"\n[data]\ntrain = "Train"\nreg = "Reg"\n[output]\nfolder = "l"\nname = "h"\n'
    (folder / "train.toml").write_text(f'preset = "miniature"\n{text}', encoding="utf-8")
    return tmp_path


@pytest.fixture
def page(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AppTest]:
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "argv", ["streamlit_app.py"])
    monkeypatch.setattr("studio.jobs.job_queue.see_to", lambda queue, device: None)
    return lambda: AppTest.from_file(str(ENTRY), default_timeout=60).switch_page("data/data_page.py").run()


def words(app: AppTest) -> str:
    shown = [*app.title, *app.header, *app.subheader, *app.markdown, *app.caption, *app.warning, *app.success]
    return "\n".join(one.value for one in shown).replace("\\", "")


def pressed(app: AppTest, label: str) -> AppTest:
    next(one for one in app.button if one.label == label).click().run()
    assert not app.exception
    return app


def turned_to(app: AppTest, what: str) -> AppTest:
    app.button_group(key="shown of data").set_value(what).run()
    assert not app.exception
    return app


def answered_job(here: Path, verb: str, answer: object, code: int = 0) -> None:
    """A job that is over, with this answer."""
    job = new_job("trainer", [verb, "hina/train.toml", "--json"], verb, here, "light")
    folder = queue_of(here) / job.id
    folder.mkdir(parents=True)
    keep(folder, JOB, job)
    keep(folder, ENDED, Ended(code=code, at=0.0))
    (folder / SAID).write_text(json.dumps(answer), encoding="utf-8")


def finding(here: Path, name: str, **values: object) -> dict[str, object]:
    path = here / "hina" / "Train" / "7_ohwx person" / name
    return {"rule": "r", "severity": "mend", "path": str(path), "title": HOSTILE, "said": HOSTILE, "advice": "mend it",
            "source": "notes", "others": [], **values}  # fmt: skip


def test_a_check_is_begun_and_its_findings_have_their_pictures(page: Callable[[], AppTest], here: Path) -> None:
    app = page()
    assert not app.exception
    pressed(app, "Check it")
    assert jobs_in(queue_of(here))[0].job.command == "python -m trainer check hina/train.toml --json"
    assert jobs_in(queue_of(here))[0].job.device == "light"
    rest = [finding(here, "00.txt"), finding(here, "../../../../etc/x.png"), finding(here, "gone.png")]
    answered_job(here, "check", {"summary": "mend these first", "verdict": "mend", "findings": rest}, code=1)
    app = page()
    assert not app.exception
    assert "mend these first" in words(app)
    assert "Mend first" in words(app)
    assert f"**{HOSTILE}** (3)" in words(app)
    wall = app.get("html")[0].proto.body
    assert wall.count("<img src=") == 1
    assert "data:image/webp;base64," in wall
    assert "<script>" not in wall
    assert wall.count("no picture") == 2


def test_a_check_that_could_not_begin_says_why(page: Callable[[], AppTest], here: Path) -> None:
    answered_job(here, "check", [], code=2)
    (jobs_in(queue_of(here))[0].folder / "log.txt").write_text("error: no such folder\n", encoding="utf-8")
    app = page()
    assert not app.exception
    assert "could not do it" in words(app)
    assert app.code[0].value == "error: no such folder"


def test_captions_are_filtered_replaced_and_put_back(page: Callable[[], AppTest], here: Path) -> None:
    app = turned_to(page(), "Captions")
    assert len(app.dataframe[0].value) == 4
    folder = here / "hina" / "Train"
    before = {path: path.read_bytes() for path in folder.rglob("*.txt")}
    first = caption_rows([folder])[0]
    app.multiselect[0].select(first.tags[1]).run()
    shown = len(filtered(caption_rows([folder, here / "hina" / "Reg"]), [first.tags[1]]))
    assert len(app.dataframe[0].value) == shown
    app.text_input(key="find").set_value(first.tags[1]).run()
    app.text_input(key="replace by").set_value("beaming").run()
    pressed(app, next(one.label for one in app.button if one.label.startswith("Replace in")))
    assert "written; the change can be put back below" in words(app)
    assert "beaming" in caption_rows([folder])[0].caption
    app.text_input(key="find").set_value("(").run()
    app.checkbox(key="regex").check().run()
    assert "is no regular expression" in words(app)
    pressed(app, "Put the last change in Train back")
    assert {path: path.read_bytes() for path in folder.rglob("*.txt")} == before


def test_edits_are_written_whole_and_only_over_what_was_shown(here: Path) -> None:
    folder = here / "hina" / "Train"
    rows = caption_rows([folder])
    changed = edits(rows, ["a  new\ncaption", rows[1].caption])
    assert changed == {0: "a new caption"}
    assert save(rows, changed) == 1
    assert can_undo([folder]) == [folder]
    with pytest.raises(CaptionEditError, match="was changed meanwhile, so nothing was written"):
        save(rows, {1: "x", 0: "y"})
    assert caption_rows([folder])[1].caption == rows[1].caption
    assert take_back(folder).restored == (rows[0].captioned.file,)
    assert caption_rows([folder])[0].caption == rows[0].caption
    for wrong, why in (("", "empty"), ("x" * 20_001, "longer than")):
        with pytest.raises(CaptionEditError, match=why):
            edits(rows, [wrong, rows[1].caption])


def test_tags_are_counted_and_rows_without_one_are_found(here: Path) -> None:
    rows = caption_rows([here / "hina" / "Train"])
    tag, count = tags_of(rows).most_common(1)[0]
    assert count == 2
    assert filtered(rows, lacking=[tag]) == []
    assert filtered(rows, text=tag.upper()) == rows


def test_reg_pictures_stand_beside_the_subjects(page: Callable[[], AppTest], here: Path) -> None:
    app = turned_to(page(), "Reg pictures")
    assert "The subject (2)" in words(app)
    assert "Reg pictures (2)" in words(app)
    assert sum(one.proto.body.count("<img") for one in app.get("html")) == 4
    shutil.rmtree(here / "hina" / "Reg")
    (here / "hina" / "train.toml").write_text(
        (here / "hina" / "train.toml").read_text("utf-8").replace('reg = "Reg"\n', ""), encoding="utf-8"
    )
    assert "has no reg pictures" in words(turned_to(page(), "Reg pictures"))


def test_a_plan_shows_figures_their_doubt_and_what_stands_out(page: Callable[[], AppTest], here: Path) -> None:
    stands_out = {"key": "times_shown", "value": 5, "low": 16, "high": 144, "stands_out": True, "advice": "more epochs",
                  "source": "runs"}  # fmt: skip
    answered_job(here, "plan", {
        "steps": 84, "epochs": 4, "pictures": {"subject": 2, "reg": 2, "never_used_count": 7}, "cost": 1.5,
        "time": {"seconds": 313, "source": "32 steps", "error": 0.25}, "memory": {"bytes": 1.3e9},
        "what_worked": [stands_out], "notes": [HOSTILE], "in_the_way": "",
    })  # fmt: skip
    app = turned_to(page(), "Plan and cost")
    tiles = {one.label: one.value for one in app.metric}
    assert tiles == {
        "steps": "84", "epochs": "4", "pictures": "2", "reg pictures": "2", "time": "about 5 min", "memory": "1.3 GB",
        "cost": "1.50",
    }  # fmt: skip
    assert "right within 25%, from 32 steps" in words(app)
    assert "7 pictures are never shown" in words(app)
    assert "a picture is shown: 5; in runs that worked 16 to 144. More epochs" in words(app)
    assert HOSTILE in words(app)
    pressed(app, "Plan it again")
    assert jobs_in(queue_of(here))[-1].job.command == "python -m trainer plan hina/train.toml --json"


def test_data_outside_is_not_looked_at(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    shutil.copytree(here / "hina" / "Train", outside / "Train")
    config = here / "hina" / "train.toml"
    config.write_text(config.read_text("utf-8").replace('"Train"', f'"{outside / "Train"}"'), encoding="utf-8")
    with pytest.raises(DataOutsideError, match="outside of the folders that the studio was started with") as raised:
        dataset_of("hina/train.toml", allowed_folders([], {}, here))
    words = shlex.split(str(raised.value).rpartition(": ")[2])  # as it is typed, it leads to the page
    assert words[:6] == ["python", "-m", "streamlit", "run", "studio", "--"]
    assert dataset_of("hina/train.toml", allowed_folders(words[7:], {}, here)).train == (outside / "Train",)
    assert dataset_of("hina/train.toml", allowed_folders([str(outside)], {}, here)).train == (outside / "Train",)


def test_answers_that_are_none_and_texts_that_are_long_do_no_harm(tmp_path: Path) -> None:
    folders = allowed_folders([], {}, tmp_path)
    for text in ("", "[1]", "{", '{"findings": 3}', '{"time": 1}'):
        (tmp_path / "said.txt").write_text(text, encoding="utf-8")
        assert read_check(tmp_path / "said.txt", folders) is None
        assert read_plan(tmp_path / "said.txt") is None
    assert read_check(tmp_path / "none", folders) is None
    (tmp_path / "said.txt").write_text('{"findings": [3, {"path": 4, "others": 5}]}', encoding="utf-8")
    assert read_check(tmp_path / "said.txt", folders) is not None
    wall = wall_of([Tile(None, "x" * 10_000, HOSTILE)])
    assert len(wall) < 3 * LONGEST + 2000
    assert "<script" not in wall
    assert "\u202e" not in wall


def test_a_change_is_a_file_and_its_caption(here: Path) -> None:
    from studio.data.caption_table import replaced, save_replaced

    rows = caption_rows([here / "hina" / "Train"])
    changes = replaced(rows, rows[0].tags[0], "photo of somebody", regex=False)
    assert all(isinstance(one, Change) for one in changes)
    assert save_replaced(rows, changes) == len(changes)
