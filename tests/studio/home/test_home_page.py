"""The first page: an empty folder's beginning, each subject's next step, finished stores first."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from eval.store.store import Store, create_store
from eval.store.store_progress import answered, ask, noted_if_stopped, progress_of
from eval.store.tables import PictureRow
from foundation.files import sha256_of
from foundation.toml_config import in_toml, read_toml
from miniature.paths import SUBJECT
from run_records import written_record
from studio.home.demo import DemoThereError, demo_jobs
from studio.home.home_words import lora_table, store_lines
from studio.home.subjects import subjects_of
from studio.home.undrawn_files import undrawn_files
from studio.jobs.job_queue import queue_of
from studio.jobs.kept_job import JOB, JobFiles, jobs_in, keep, new_job
from studio.shared.allowed_folders import allowed_folders
from studio.shared.found_work import HOUSE, MOST_FOLDERS, find_work
from studio.shared.stores import DrawnLoras
from synthetic_store import Size, write_store
from trainer.config.config import parse_config
from trainer.records.run_lock import run_lock

ENTRY = Path(__file__).resolve().parents[3] / "studio" / "streamlit_app.py"
FIRST = SUBJECT / "first.safetensors"
TINY = Size(epochs=(1, 2), unet=(1.0,), te=(1.0,), seeds=2)


def record_of(folder: Path, *names: str) -> None:
    """Write that the subject's run made these files, which are there."""
    files = {name: sha256_of(folder / name) for name in names}
    written_record(folder, "mira", "2026-01-01T10:00:00+00:00", files=files)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Below it: a subject that is trained and drawn, one that is only configured, one whose file is broken."""
    here = tmp_path_factory.mktemp("here")
    for name in ("done", "new", "<b>broken"):
        (here / name).mkdir()
    for name in ("done", "new"):
        text = (SUBJECT / "train.toml").read_text("utf-8").replace('"../../runs/demo"', '"lora"')
        text = text.replace('train = "Train"', f'train = "{SUBJECT / "Train"}"').replace('"references"', '"r"')
        (here / name / "train.toml").write_text(text, encoding="utf-8")
    grid = read_toml(SUBJECT / "grid.toml")
    grid |= {"lora": {"checkpoints": ["lora/tessa-*.safetensors"]}, "store": {"path": "eval"}}
    lines = [f"{key} = {in_toml(value)}" for key, value in grid.items()]
    (here / "done" / "grid.toml").write_text("\n".join(lines), encoding="utf-8")
    (here / "<b>broken" / "train.toml").write_text("[", encoding="utf-8")
    write_store(here / "done", TINY)
    record_of(here / "done" / "lora", "tessa-000002.safetensors")
    return here


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], AppTest]:
    monkeypatch.setattr(sys, "argv", ["streamlit_app.py"])
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # What is begun from a page runs elsewhere: here it is only put into the queue.
    monkeypatch.setattr("studio.jobs.job_queue.see_to", lambda queue, device: None)

    def opened(here: Path) -> AppTest:
        monkeypatch.chdir(here)
        return AppTest.from_file(str(ENTRY), default_timeout=60).run()

    return opened


def words(app: AppTest) -> str:
    shown = [*app.title, *app.header, *app.markdown, *app.caption, *app.warning]
    return "\n".join(one.value for one in shown).replace("\\", "")


def pressed(app: AppTest, label: str) -> AppTest:
    next(one for one in app.button if one.label == label).click().run()
    assert not app.exception
    return app


def test_an_empty_folder_offers_the_demo_and_a_beginning(page: Callable[[Path], AppTest], tmp_path: Path) -> None:
    app = page(tmp_path)
    assert not app.exception
    assert f"There is nothing below {tmp_path} yet" in words(app)
    assert [one.label for one in app.tabs] == ["See the demo", "Begin with a subject"]
    assert app.text_input(key="ask init folder").label == "New folder (needed)"
    pressed(app, "Make the demo")
    jobs = [one.job for one in jobs_in(queue_of(tmp_path))]
    assert [job.arguments[:2] for job in jobs] == [
        ("init", "demo"), ("run", "demo/train.toml"), ("grid", "demo/grid.toml")
    ]  # fmt: skip
    assert [job.after for job in jobs] == ["", jobs[0].id, jobs[1].id]
    assert len({job.device for job in jobs}) == 1
    assert len(list((tmp_path / "demo" / "Train").rglob("*.png"))) == 24
    assert "Under way" in words(app)
    with pytest.raises(DemoThereError, match="is there already"):
        demo_jobs(tmp_path)


def test_each_subject_has_its_next_step(made: Path) -> None:
    folders = allowed_folders([], {}, made)
    subjects = {one.name: one for one in subjects_of(find_work([made]), [], folders)}
    assert [step.label for step in subjects["done"].steps] == ["Look at the ranking", "Check the data"]
    assert subjects["done"].words == "trained: 1 file, healthy; its grid is drawn and scored"
    assert [step.label for step in subjects["new"].steps] == ["Train", "Check the data"]
    assert subjects["new"].words == "8 epochs; nothing is trained yet"
    assert "is not valid TOML" in subjects["<b>broken"].words or "not valid TOML" in subjects["<b>broken"].words
    job = new_job("trainer", ["run", "new/train.toml"], "Train", made, "processor")
    running = JobFiles(folder=made, job=job)
    subjects = {one.name: one for one in subjects_of(find_work([made]), [running], folders)}
    assert [step.label for step in subjects["new"].steps] == ["Check the data"]


def test_files_of_a_later_training_are_to_be_drawn(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "done", tmp_path / "done")
    loras, folders = tmp_path / "done" / "lora", allowed_folders([], {}, tmp_path)

    def stands() -> tuple[str, list[str]]:
        (one,) = subjects_of(find_work([tmp_path]), [], folders)
        return one.words.rpartition("; ")[2], [step.label for step in one.steps]

    look = ["Look at the ranking", "Check the data"]
    assert stands() == ("its grid is drawn and scored", look)
    for name in ("tessa-000003.safetensors", "tessa-000004.safetensors"):
        (loras / name).write_bytes((loras / "first_try.safetensors").read_bytes())
    assert stands() == ("2 LoRA files are not in its grid yet", ["Draw the grid", *look]), "named, and never drawn"
    for name in ("tessa-000003.safetensors", "tessa-000004.safetensors"):
        (loras / name).rename(loras / name.replace("tessa", "other"))
    record_of(loras, "other-000003.safetensors", "other-000004.safetensors")
    assert stands() == ("its grid is of other files, and grid.toml names none of these", look)
    (loras / "tessa-000002.safetensors").write_bytes((loras / "first_try.safetensors").read_bytes())
    record_of(loras, "tessa-000002.safetensors")
    assert stands() == ("1 LoRA file is not in its grid yet", ["Draw the grid", *look]), "another file of that name"


def test_a_search_leaves_files_out_of_its_own_accord() -> None:
    files = [FIRST, FIRST.with_name("grid.toml")]
    assert not undrawn_files([str(FIRST)], {}, DrawnLoras(frozenset([FIRST.name]), frozenset(), by_search=False))
    for by_search, missing in ((True, []), (False, files[1:])):
        drawn = DrawnLoras(frozenset([FIRST.name]), frozenset(), by_search)
        assert undrawn_files([str(one) for one in files], {}, drawn) == missing
    assert undrawn_files([str(FIRST)], {}, DrawnLoras(frozenset(), frozenset(), by_search=True)) == [FIRST]


def test_a_training_begun_elsewhere_is_not_offered_again(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "done", tmp_path / "done")
    written_record(tmp_path / "done" / "lora", "mira", "2026-01-01T10:00:00+00:00", seconds=None, done=5)
    config = parse_config(read_toml(tmp_path / "done" / "train.toml"), tmp_path / "done" / "train.toml")
    folders = allowed_folders([], {}, tmp_path)
    (idle,) = subjects_of(find_work([tmp_path]), [], folders)
    assert [step.label for step in idle.steps] == ["Go on training", "Check the data"]
    with run_lock(config):
        (busy,) = subjects_of(find_work([tmp_path]), [], folders)
    assert [step.label for step in busy.steps] == ["Check the data"]
    assert busy.words.startswith("is being trained now: ")


def test_a_training_that_was_refused_before_its_first_step_is_begun_not_gone_on_with(
    made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made / "done", tmp_path / "done")
    facts = {"seconds": None, "failure": "no such base model"}
    written_record(tmp_path / "done" / "lora", "mira", "2026-01-01T10:00:00+00:00", **facts)
    (one,) = subjects_of(find_work([tmp_path]), [], allowed_folders([], {}, tmp_path))
    assert [step.label for step in one.steps] == ["Train", "Check the data"]
    assert one.words == "0 of 9 steps are trained; it stopped: no such base model"


def test_a_training_that_has_written_nothing_yet_is_not_offered_again(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "new", tmp_path / "new")
    config = parse_config(read_toml(tmp_path / "new" / "train.toml"), tmp_path / "new" / "train.toml")
    with run_lock(config):
        (busy,) = subjects_of(find_work([tmp_path]), [], allowed_folders([], {}, tmp_path))
    assert [step.label for step in busy.steps] == ["Check the data"]
    assert busy.words == "is being trained now: its first steps come soon"


def grid_under_way(made: Path, here: Path) -> Store:
    """A copy of the trained subject, whose grid has begun and has no picture yet."""
    shutil.copytree(made / "done", here / "done", ignore=shutil.ignore_patterns("eval"))
    store = create_store(here / "done" / "eval")
    ask(store, 40, 0)
    return store


def test_a_grid_that_is_drawn_elsewhere_is_not_offered_again(made: Path, tmp_path: Path) -> None:
    store = grid_under_way(made, tmp_path)
    folders = allowed_folders([], {}, tmp_path)

    def stands(*jobs: JobFiles) -> tuple[str, list[str]]:
        (one,) = subjects_of(find_work([tmp_path]), jobs, folders)
        return one.words.partition("; ")[2], [step.label for step in one.steps]

    elsewhere = "its grid is being drawn elsewhere, and goes on by itself", ["Check the data"]
    assert stands() == elsewhere, "it has begun, and draws its first picture"
    job = new_job("eval", ["grid", "done/grid.toml"], "Grid", tmp_path, "processor")
    assert stands(JobFiles(folder=tmp_path, job=job))[0] == "its grid is among the jobs that run or wait"
    with suppress(KeyboardInterrupt), noted_if_stopped(store):
        raise KeyboardInterrupt
    stopped = "its grid is not finished", ["Go on with the grid", "Check the data"]
    assert stands() == stopped, "it said that it was stopped"
    ask(store, 40, 0)
    assert stands() == elsewhere, "it goes on in a terminal"
    store.set_fact("asked", {"pictures": 40, "others": 0})
    assert stands() == stopped, "no picture came, and nobody says when it began"
    row = PictureRow(id="1", cell="c", prompt="p", seed=1, failure=None, changed=time.time_ns())
    store.add_pictures([row])
    assert stands() == elsewhere, "a picture came just now"
    store.close()


def test_ranking_says_of_a_grid_that_is_drawn_elsewhere_that_it_comes_by_itself(
    page: Callable[[Path], AppTest], made: Path, tmp_path: Path
) -> None:
    store = grid_under_way(made, tmp_path)
    app = page(tmp_path)
    assert "Go on with the grid" not in [one.label for one in app.button]
    app.switch_page("ranking/ranking_page.py").run()
    assert not app.exception
    assert not app.warning
    assert app.info[0].value.replace("\\", "").startswith("done/eval is being drawn now, by a process of its own.")
    assert "A grid has just begun with it; its first picture comes soon." in app.get("progress")[0].proto.text
    store.set_fact("asked", {"pictures": 40, "others": 0})
    store.close()
    app.run()
    assert not app.info
    assert "its grid is not finished" in words(app)


def test_the_studios_own_tests_are_nobodys_work() -> None:
    found = find_work([HOUSE])
    assert any(HOUSE / "miniature" in one.parents for one in found.trains)
    assert not [one for one in found.loras if one.folder.is_relative_to(HOUSE / "miniature" / "weights")]  # no LoRAs
    everything = [*found.trains, *found.grids, *found.stores, *found.records, *(one.folder for one in found.loras)]
    assert not [one for one in everything if one.is_relative_to(HOUSE / "tests")]


def test_home_shows_what_is_there_and_begins_with_the_next_step(
    page: Callable[[Path], AppTest], made: Path, tmp_path: Path
) -> None:
    here = tmp_path / "copy"
    shutil.copytree(made, here)
    app = page(here)
    assert not app.exception
    assert "<b>broken" in words(app)
    assert "1 run of training" in words(app)
    pressed(app, "Train")
    assert [one.job.command for one in jobs_in(queue_of(here))] == ["python -m trainer run new/train.toml"]
    assert [one.label for one in app.button].count("Train") == 0
    pressed(app, "Look at the ranking")
    assert app.title[0].value.startswith("Take ")
    assert app.selectbox(key="store name").value == "done/eval"


def test_finished_stores_come_first_and_one_being_written_says_how_far_it_is(
    page: Callable[[Path], AppTest], made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made / "done" / "eval", tmp_path / "runs" / "old" / "eval")
    writing = create_store(tmp_path / "runs" / "new" / "eval")
    writing.set_fact("asked", {"pictures": 40, "others": 0})
    app = page(tmp_path)
    assert not app.exception
    lines = store_lines(find_work([tmp_path]).stores, allowed_folders([], {}, tmp_path))
    assert [(line.name, line.is_finished) for line in lines] == [("runs/old/eval", True), ("runs/new/eval", False)]
    assert app.selectbox(key="store name").options == ["runs/old/eval", "runs/new/eval"]
    rows = [
        PictureRow(id=f"{at}", cell="c", prompt="p", seed=at, failure=None, changed=1_000_000_000 * (2 * at + 1))
        for at in range(10)
    ]
    writing.add_pictures(rows)
    progress = progress_of(writing, now=20.0)
    assert (progress.made, progress.total, progress.each, progress.left, progress.since) == (10, 40, 2.0, 60.0, 1.0)
    assert not progress.is_finished
    assert progress_of(writing, now=400.0).is_quiet
    answered(writing)
    writing.close()


def test_what_lies_below_is_found_within_bounds(made: Path, tmp_path: Path) -> None:
    found = find_work([made, made / "done"])
    assert sorted(one.parent.name for one in found.trains) == ["<b>broken", "done", "new"]
    assert found.stores == [made / "done" / "eval"]
    assert [one.name for one in found.records] == ["mira-run.json"]
    folders = allowed_folders([], {}, made)
    assert lora_table(found.loras, folders)["folder"].to_pylist() == ["done/lora"]
    assert found.is_whole
    (tmp_path / "link").symlink_to(made)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "train.toml").touch()
    base = tmp_path / "base" / "unet"
    base.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (base / name).touch()
    assert find_work([tmp_path]).is_nothing
    for at in range(MOST_FOLDERS):
        (tmp_path / f"{at}").mkdir()
    assert not find_work([tmp_path]).is_whole


def test_a_job_that_is_kept_is_told_on_home(page: Callable[[Path], AppTest], tmp_path: Path) -> None:
    job = new_job("eval", ["grid", "x.toml"], "Draw $x$", tmp_path, "processor")
    (queue_of(tmp_path) / job.id).mkdir(parents=True)
    keep(queue_of(tmp_path) / job.id, JOB, job)
    app = page(tmp_path)
    assert not app.exception
    assert "Draw $x$" in words(app)
    assert "There is nothing below" not in words(app)
