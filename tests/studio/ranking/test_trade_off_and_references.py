"""Likeness against its cost, each picture's likeness in the table, and the references beside the results."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from eval.request.references import pictures_below
from miniature.paths import SUBJECT
from studio.ranking.charts import epoch_curve, trade_off, weights_map
from studio.ranking.frames import (
    BEHIND,
    FIRST,
    FRONT,
    MOST_BARS,
    OVER,
    checkpoints_in_order,
    curve_frame,
    heat_frame,
    likeness_of_each,
    trade_off_frame,
    usual_settings,
)
from studio.ranking.known_charts import known_curve, known_map, known_trade_off
from studio.ranking.reference_pictures import reference_pictures
from studio.shared.stores import OpenedStore


def test_the_line_is_what_no_row_beats_in_both(opened: OpenedStore) -> None:
    name, points = trade_off_frame(opened.rows)
    assert name.startswith("bleed")
    assert len(points) == len(opened.rows)
    assert points["kind"].iloc[0] == FIRST
    front = {row.place for row in opened.rows[1:] if row.pareto_front and not row.broken}
    assert set(points[points["kind"] == FRONT]["row"]) == front
    over = {row.place for row in opened.rows[1:] if row.broken}
    assert set(points[points["kind"] == OVER]["row"]) == over
    assert (points["cost"] >= 0).all()


def test_without_bleed_it_is_held_against_the_prompt_and_without_both_there_is_no_chart(opened: OpenedStore) -> None:
    no_bleed = [replace(row, bleed=None) for row in opened.rows]
    name, points = trade_off_frame(no_bleed)
    assert name.startswith("prompt")
    assert len(points) == sum(row.prompt is not None for row in opened.rows) > 2
    assert trade_off_frame([replace(row, prompt=None) for row in no_bleed])[1].empty
    assert trade_off_frame(opened.rows[:2])[1].empty


def test_charts_that_pages_do_not_check_are_sound(opened: OpenedStore) -> None:
    """Altair checks them against Vega-Lite's schema here, which it does not for a page."""
    levels = {"base model": opened.scores.floor, "subject's own pictures": opened.scores.ceiling}
    settings, order = usual_settings(opened.rows), checkpoints_in_order(opened.rows)
    curve = epoch_curve(curve_frame(opened.rows, settings), order, settings, levels)
    assert curve.to_dict() == known_curve(opened, tuple(settings))
    checkpoint = opened.rows[0].checkpoint
    assert weights_map(heat_frame(opened.rows, checkpoint)).to_dict() == known_map(opened, checkpoint)
    cost, points = trade_off_frame(opened.rows)
    assert trade_off(points, cost, [FIRST, FRONT, BEHIND, OVER]).to_dict() == known_trade_off(opened)


def test_a_point_names_its_row_for_a_click(opened: OpenedStore) -> None:
    drawn = known_trade_off(opened)
    assert drawn is not None
    assert {"name": "picked", "select": {"type": "point", "fields": ["row"]}}.items() <= drawn["params"][0].items()
    kinds = [FIRST, FRONT, BEHIND, OVER]
    shown = trade_off(trade_off_frame(opened.rows)[1], "bleed", kinds).to_dict()
    assert shown["layer"][1]["encoding"]["color"]["scale"]["domain"] == kinds


def test_small_bars_are_the_likeness_of_each_picture_as_it_counts(opened: OpenedStore) -> None:
    for row in opened.rows:
        bars = likeness_of_each(opened, row)
        counted = opened.scores.counted[opened.place_in_evidence(row)]
        assert bars == sorted(bars)
        assert len(bars) == min(MOST_BARS, len(counted))
        assert np.mean(bars) == pytest.approx(counted.mean(), abs=0.02)


def with_places(opened: OpenedStore, places: dict[str, str]) -> OpenedStore:
    """The store as if its references had lain there."""
    grid = opened.ranked.grid
    snapshot = grid.snapshot.model_copy(update={"references": list(places), "places": places})
    return replace(opened, ranked=replace(opened.ranked, grid=replace(grid, snapshot=snapshot)))


def test_references_are_known_by_their_content(opened: OpenedStore, tmp_path: Path) -> None:
    there = {sha256: str(path) for sha256, path in pictures_below(SUBJECT / "references").items()}
    shown = reference_pictures(with_places(opened, there), 3)
    assert len(shown) == 3
    assert {str(path) for path in shown} <= {*there.values()}
    replaced = tmp_path / "other.png"
    shutil.copyfile(next(iter(there.values())), replaced)
    changed = dict.fromkeys(list(there)[1:], str(replaced))
    assert reference_pictures(with_places(opened, changed), 6) == []
    odd = dict(zip(there, ["/dev/zero", "a\0b", "x" * 5000, str(tmp_path)], strict=False))
    assert reference_pictures(with_places(opened, odd), 6) == []
    assert reference_pictures(with_places(opened, {}), 6) == []


def test_the_page_shows_them_all(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LORA_STUDIO_STORE", str(store))
    monkeypatch.chdir(tmp_path)
    found = [*(SUBJECT / "references").glob("*.png")][:2]
    monkeypatch.setattr("studio.ranking.reference_pictures.reference_pictures", lambda opened, most: found)
    entry = Path(__file__).resolve().parents[3] / "studio" / "streamlit_app.py"
    app = AppTest.from_file(str(entry), default_timeout=120).run().switch_page("ranking/ranking_page.py").run()
    assert not app.exception
    assert "What likeness costs" in [one.value for one in app.header]
    assert "each picture" in app.dataframe[0].value
    assert any("own pictures" in one.label for one in app.expander)
