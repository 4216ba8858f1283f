"""The page of runs: what became of each, curves side by side, and what differs between any two."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import altair as alt
import pytest
from filelock import FileLock
from PIL import Image
from streamlit.testing.v1 import AppTest

from foundation.printing import as_typed
from foundation.toml_config import read_toml
from miniature.paths import SUBJECT
from run_records import written_record
from studio.training_runs.run_curves import (
    EPOCH,
    LIKENESS,
    MOST_STEPS,
    STEP,
    differing,
    epoch_rows,
    find_runs,
    names_of,
    run_chart,
    runs_table,
    step_rows,
)
from studio.training_runs.run_states import scored_row, state_in_words
from studio.training_runs.sample_pictures import samples_of
from trainer.config.config import parse_config
from trainer.learning.run_state import Reading, Verdict
from trainer.records.ledger import LedgerEntry
from trainer.records.run_log import LoggedStep, RunLog
from trainer.samples.curve import Curve, EpochSamples, Identity

ENTRY = Path(__file__).resolve().parents[3] / "studio" / "streamlit_app.py"
FALLING = tuple(
    Reading(epoch=at, step=9 * at, train_loss=0.1 - 0.01 * at, held_out_loss=0.2 - 0.01 * at) for at in range(4)
)
DRAWN = Curve(
    request="r",
    drawn=(
        EpochSamples(epoch=0, pictures=("epoch-0-0.png",), identity=Identity(mean=0.1, low=None, high=None, faces=1)),
        EpochSamples(epoch=1, failed="no memory"),
        EpochSamples(
            epoch=2, pictures=("../../epoch-2-0.png",), identity=Identity(mean=0.6, low=0.5, high=0.7, faces=1)
        ),
    ),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three runs below runs/, two of one name; the last has pictures and a log."""
    runs = tmp_path / "runs"
    written_record(runs / "a" / "lora", "kat", "2026-01-01T10:00:00+00:00", 2e-4, readings=FALLING, epochs=3)
    exploding = (Verdict(name="exploding", reason="the UNet moved by 90 %", advice="halve unet_lr"),)
    written_record(runs / "b" / "lora", "kat", "2026-01-02T10:00:00+00:00", 1e-3, verdicts=exploding)
    written_record(runs / "c" / "lora", "<b>dog", "2026-01-03T10:00:00+00:00", samples=DRAWN, done=9)
    samples = runs / "c" / "lora" / "<b>dog-samples"
    samples.mkdir()
    Image.new("RGB", (8, 8)).save(samples / "epoch-0-0.png")
    RunLog(runs / "c" / "lora" / "<b>dog-log.jsonl").add(
        [LoggedStep(step, 1, 0.1 + step / 1e4, 1.0, {}) for step in range(1, 1001)]
    )
    return tmp_path


@pytest.fixture
def page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AppTest]:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["streamlit_app.py"])
    return lambda: AppTest.from_file(str(ENTRY), default_timeout=60).switch_page("training_runs/runs_page.py").run()


def words(app: AppTest) -> str:
    return "\n".join(one.value for one in (*app.markdown, *app.caption, *app.warning)).replace("\\", "")


def test_runs_are_listed_with_what_became_of_them_without_any_store(page: Callable[[], AppTest]) -> None:
    app = page()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["run"]) == ["a/lora/kat", "b/lora/kat", "<b>dog"]
    assert list(table["verdict"]) == ["healthy", "exploding", "healthy"]
    assert "exploding: the UNet moved by 90 %; halve unet_lr" in words(app)
    assert (
        "<b>dog, against kat: changed training.unet_lr: 0.001 -> 0.0001. What came of it: verdict: exploding"
        in words(app)
    )


def test_any_two_runs_are_held_against_each_other(page: Callable[[], AppTest]) -> None:
    app = page()
    app.multiselect[0].set_value([0, 2]).run()
    assert not app.exception
    assert "changed training.unet_lr: 0.0002 -> 0.0001" in words(app)
    assert "likeness 0.60 (0.50 to 0.70)" in words(app)
    app.multiselect[0].set_value([]).run()
    assert not app.exception


def test_without_runs_the_commands_that_make_one_are_said(
    page: Callable[[], AppTest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr("pathlib.Path.cwd", lambda: tmp_path / "empty")
    app = page()
    assert not app.exception
    assert app.code[0].value.startswith(as_typed("python -m trainer init"))


def test_curves_are_those_of_the_records(folder: Path) -> None:
    entries = find_runs([], folder).entries
    held_out = epoch_rows(entries, "loss on pictures kept out of training")
    first = [point["value"] for point in held_out if point["run"] == names_of(entries)[0]]
    assert first == [one.held_out_loss for one in FALLING]
    likeness = epoch_rows(entries, LIKENESS)
    assert [(point["epoch"], point["value"]) for point in likeness] == [(0, 0.1), (2, 0.6)]
    steps = step_rows(entries)
    assert len(steps) <= MOST_STEPS
    assert steps[-1]["step"] == 1000
    assert sum(point["value"] for point in steps) / len(steps) == pytest.approx(0.1 + 500.5 / 1e4, abs=1e-3)


def test_charts_are_sound_by_vega_lites_own_schema(folder: Path) -> None:
    entries = find_runs([], folder).entries
    likeness = run_chart(epoch_rows(entries, LIKENESS), EPOCH, "likeness")
    for drawn in (run_chart(step_rows(entries), STEP, "loss"), likeness):
        assert alt.Chart.from_dict(drawn).to_dict()["description"] == drawn["description"]
    assert [one["mark"]["type"] for one in likeness["layer"]] == ["line", "point", "rule"]
    known = [(one["low"], one["value"], one["high"]) for one in likeness["data"]["values"]]
    assert known == [(None, 0.1, None), (0.5, 0.6, 0.7)]


def test_pictures_are_looked_for_in_the_runs_own_folder_alone(folder: Path) -> None:
    entry = find_runs([], folder).entries[-1]
    rows = samples_of(entry)
    assert [row.title for row in rows] == ["before training, with the trigger", "epoch 2"]
    assert rows[0].pictures[0].is_file()
    assert rows[1].pictures[0].parent == entry.path.with_name("<b>dog-samples")


def trained_here(folder: Path, name: str, **values: object) -> LedgerEntry:
    """A run with a whole configuration, as a training writes it, whose folder was moved since."""
    config = parse_config(read_toml(SUBJECT / "train.toml"), SUBJECT / "train.toml")
    path = written_record(folder, name, "2026-01-04T10:00:00+00:00", config=config.model_dump(mode="json"), **values)
    return next(one for one in find_runs([folder], folder).entries if one.path == path)


def test_a_run_that_is_being_trained_is_said_to_be_so_and_not_held_against_figures_it_has_not_yet(
    folder: Path, page: Callable[[], AppTest]
) -> None:
    place = folder / "runs" / "b" / "lora"
    (place / "kat-scores.json").write_text(json.dumps({"best": 0.0903, "file": "kat.safetensors"}))
    before = find_runs([place], folder).entries[0]
    now = trained_here(folder / "runs" / "d", "mia", seconds=None, verdicts=())
    assert state_in_words(now) == "unfinished"
    (said,) = differing([before, now])
    assert said.endswith(" What came of it: nothing yet.")
    lock = FileLock(now.path.parent / ".mia-run.lock")
    with lock:
        assert state_in_words(now) == "is being trained now"
        app = page()
    assert not app.exception
    assert list(app.dataframe[0].value["state"]) == ["finished"] * 3 + ["is being trained now"]
    assert "mia, is being trained now: no epoch is finished yet" in words(app).replace("*", "")
    other = find_runs([folder / "runs" / "a"], folder).entries[0]
    assert "score" not in differing([other, before])[0].partition("What came of it")[2], "the first one has none"


def test_a_score_says_which_row_it_is_of(folder: Path) -> None:
    place = folder / "runs" / "a" / "lora"

    def said(**facts: object) -> str:
        told = json.dumps({"best": 0.5, "file": "kat-000003.safetensors", **facts})
        (place / "kat-scores.json").write_text(told)
        return scored_row(find_runs([place], folder).entries[0])

    assert said() == "kat-000003", "as an earlier version wrote it"
    assert said(weights="unet=1,te=0.5", broken=[]) == "kat-000003 at unet=1,te=0.5"
    broken = said(weights="unet=1,te=1", also="first (0.5)", broken=["bleeds"])
    assert broken == "kat-000003 at unet=1,te=1 + first (0.5), over a limit"
    table = runs_table(find_runs([], folder).entries)
    assert table["score of"].to_pylist() == [broken, None, None]


def test_runs_are_found_below_what_was_named_and_beside_a_store(folder: Path) -> None:
    (folder / "runs" / "a" / "eval").mkdir()
    (folder / "runs" / "a" / "eval" / "grid.sqlite").touch()
    assert len(find_runs([folder / "runs"], folder / "elsewhere").entries) == 3
    assert len(find_runs([folder / "runs" / "a" / "eval"], folder).entries) == 1
    assert len(find_runs([folder / "runs", folder / "runs" / "a"], folder).entries) == 3
    assert find_runs([folder / "nowhere"], folder).entries == ()
    assert differing(find_runs([], folder).entries[:1]) == []
