"""Likeness against its cost, each picture's likeness in the table, and the references beside the results."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import altair as alt
import numpy as np
import pytest
from jsonschema import ValidationError
from streamlit.testing.v1 import AppTest

from eval.reporting.trade_off import Place, trade_off_of
from eval.request.references import pictures_below
from miniature.paths import SUBJECT
from studio.ranking.known_charts import known_curve, known_map, known_trade_off
from studio.ranking.ranking_rows import (
    MOST_BARS,
    likeness_of_each,
    trade_off_rows,
    usual_settings,
)
from studio.ranking.reference_pictures import reference_pictures
from studio.shared.stores import OpenedStore


def test_the_chart_says_of_each_row_what_it_is_there(opened: OpenedStore) -> None:
    found = trade_off_of(opened.rows)
    assert found is not None
    points = trade_off_rows(found)
    assert [point["kind"] for point in points] == [one.place for one in found.points]
    assert [point["cost"] for point in points] == [one.cost for one in found.points]
    assert [point["row"] for point in points] == [row.place for row in opened.rows]


def test_charts_are_sound_by_vega_lites_own_schema(opened: OpenedStore) -> None:
    settings, checkpoint = usual_settings(opened.rows), opened.rows[0].checkpoint
    for drawn in (known_curve(opened, tuple(settings)), known_map(opened, checkpoint), known_trade_off(opened)):
        assert drawn is not None
        assert alt.Chart.from_dict(drawn).to_dict()["description"] == drawn["description"]


def test_a_chart_that_is_not_sound_is_told() -> None:
    """What the test above relies on."""
    with pytest.raises(ValidationError):
        alt.Chart.from_dict({"data": {"values": []}, "mark": "pint"})


def test_a_point_names_its_row_for_a_click(opened: OpenedStore) -> None:
    drawn = known_trade_off(opened)
    assert drawn is not None
    dots = drawn["layer"][1]
    assert dots["params"] == [{"name": "picked", "select": {"type": "point", "fields": ["row"]}}]
    assert dots["encoding"]["color"]["scale"]["domain"] == [*Place]
    assert [one["row"] for one in drawn["data"]["values"]] == [row.place for row in opened.rows]


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
    assert "each picture" in app.dataframe[0].value
    assert any("own pictures" in one.label for one in app.expander)


def test_one_chart_is_drawn_at_a_time_and_each_can_be(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LORA_STUDIO_STORE", str(store))
    monkeypatch.chdir(tmp_path)
    entry = Path(__file__).resolve().parents[3] / "studio" / "streamlit_app.py"
    app = AppTest.from_file(str(entry), default_timeout=120).run().switch_page("ranking/ranking_page.py").run()
    (charts,) = (one for one in app.button_group if one.label == "What is drawn")
    told: set[str] = set()
    for name in (None, *charts.options):
        next(one for one in app.button_group if one.label == "What is drawn").set_value(name).run()
        assert not app.exception
        (drawn,) = app.get("vega_lite_chart")
        told.add(json.loads(drawn.proto.spec)["description"].partition(":")[0])
    assert len(told) == len(charts.options) > 1
