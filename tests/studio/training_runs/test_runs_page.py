"""The page of runs: what became of each, curves side by side, and what differs between any two."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import altair as alt
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from foundation.printing import as_typed
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
    step_rows,
)
from studio.training_runs.sample_pictures import samples_of
from trainer.learning.run_state import Reading, Verdict
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
    assert [row.title for row in rows] == ["base model", "epoch 2"]
    assert rows[0].pictures[0].is_file()
    assert rows[1].pictures[0].parent == entry.path.with_name("<b>dog-samples")


def test_runs_are_found_below_what_was_named_and_beside_a_store(folder: Path) -> None:
    (folder / "runs" / "a" / "eval").mkdir()
    (folder / "runs" / "a" / "eval" / "grid.sqlite").touch()
    assert len(find_runs([folder / "runs"], folder / "elsewhere").entries) == 3
    assert len(find_runs([folder / "runs" / "a" / "eval"], folder).entries) == 1
    assert len(find_runs([folder / "runs", folder / "runs" / "a"], folder).entries) == 3
    assert find_runs([folder / "nowhere"], folder).entries == ()
    assert differing(find_runs([], folder).entries[:1]) == []
