"""A dry run: it counts what the run does, says where its time comes from, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.grid.forecast import forecast
from eval.request.spec import read_spec
from grid_folders import GridFolder, write_grid


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    made = write_grid(tmp_path, steps=3)
    made.spec.write_text(made.spec.read_text(encoding="utf-8") + "[budget]\nprice_per_hour = 0.6\n", encoding="utf-8")
    expected = forecast(read_spec(made.spec))
    # 6 cells and the control, each of 2 subject units and 1 for bleed.
    assert (expected.cells, expected.pictures, expected.cached) == (6, 7 * 3, 0)
    assert expected.amount.checkpoints == 2
    assert expected.cost == pytest.approx(expected.seconds / 3600 * 0.6)
    assert "estimated" in str(expected)
    assert not made.store.exists()


def test_after_a_run_everything_is_there_and_the_rate_is_the_measured_one(rendered_grid: GridFolder) -> None:
    before = sorted(rendered_grid.store.rglob("*.png"))
    expected = forecast(read_spec(rendered_grid.spec))
    assert (expected.amount.pictures, expected.cached) == (0, expected.pictures)
    assert f"from {expected.pictures} pictures rendered here" in str(expected)
    assert expected.seconds == 0 < expected.seconds_a_picture
    assert sorted(rendered_grid.store.rglob("*.png")) == before


def test_a_dry_run_says_what_was_read_of_the_checkpoints(tmp_path: Path) -> None:
    made = write_grid(tmp_path, steps=3)
    expected = forecast(read_spec(made.spec))
    order = "in the order of training: hina-000001 (epoch 1), hina (epoch 2)"
    assert order in expected.notes
    assert order in str(expected).splitlines()
    assert expected.as_json()["notes"] == list(expected.notes)
