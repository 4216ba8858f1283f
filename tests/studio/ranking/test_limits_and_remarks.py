"""Limits moved by sliders rank anew at once; favourites and notes stay with the store; the chosen row stays chosen."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from eval.request.cells import Called
from studio.ranking.anew import OFF, choices_of, own_limits, place_among, ranked_under
from studio.ranking.ranking_rows import (
    checkpoints_in_order,
    curve_rows,
    epochs_in_order,
    heat_rows,
    ranking_table,
    usual_settings,
)
from studio.ranking.remarks import FILE_NAME, LONGEST_NOTE, Remark, RemarksError, keep_remark, kept_remarks
from studio.shared.stores import OpenedStore, open_for_pages

ENTRY = Path(__file__).resolve().parents[3] / "studio" / "streamlit_app.py"


def test_without_a_limit_nothing_breaks_it_and_with_a_strict_one_more_does(opened: OpenedStore) -> None:
    own = own_limits(opened)
    free = ranked_under(opened, replace(own, bleed=None, copy=None, prompt=None, face_rate=None))
    assert any(row.broken for row in opened.rows)
    assert not any(row.broken for row in free.rows)
    strict = ranked_under(opened, replace(own, bleed=0.0))
    assert sum(bool(row.broken) for row in strict.rows) >= sum(bool(row.broken) for row in opened.rows)
    assert ranked_under(opened, own) is opened


def test_a_larger_difference_that_matters_makes_more_rows_as_good(opened: OpenedStore) -> None:
    counts = [
        sum(row.standing == "as good" for row in ranked_under(opened, replace(own_limits(opened), difference=one)).rows)
        for one in (0.0, 0.5)
    ]
    assert counts[0] < counts[1]


def test_a_slider_offers_what_is_set_and_no_limit() -> None:
    assert choices_of(0.27, [0.0, 0.25, 0.5]) == [0.0, 0.25, 0.27, 0.5, OFF]
    assert choices_of(None, [0.5]) == [0.5, OFF]


def test_charts_know_the_rows_that_a_click_chooses(opened: OpenedStore) -> None:
    curve = curve_rows(opened.rows, usual_settings(opened.rows))
    by_place = {row.place: row for row in opened.rows}
    assert curve
    for point in curve:
        assert by_place[point["row"]].checkpoint == point["checkpoint"]
    heat = heat_rows(opened.rows, "tessa-000004")
    assert heat
    for field in heat:
        assert by_place[field["row"]].unet == field["unet"]


def test_a_blend_is_no_epoch_on_the_chart_over_them(opened: OpenedStore) -> None:
    """It stands in the ranking, and on no line between epochs."""
    settings = usual_settings(opened.rows)
    rows = [
        replace(row, checkpoint="blend", epoch=None, step=None) if row.checkpoint == "tessa-000004" else row
        for row in opened.rows
    ]
    drawn = {point["checkpoint"] for point in curve_rows(rows, settings)}
    assert drawn == {"tessa-000002", "tessa-000006"}
    assert epochs_in_order(rows) == ["tessa-000002", "tessa-000006"]
    assert "blend" in checkpoints_in_order(rows)
    guest = [replace(row, guest=Called("sks", "")) if row.checkpoint == "tessa-000002" else row for row in opened.rows]
    assert epochs_in_order(guest) == ["tessa-000004", "tessa-000006"]


def test_remarks_are_kept_with_the_store_and_empty_ones_forgotten(tmp_path: Path) -> None:
    keep_remark(tmp_path, "a", Remark(favourite=True, note="  <b>hands</b> are right "))
    keep_remark(tmp_path, "b", Remark(note="x" * (LONGEST_NOTE + 5)))
    kept = kept_remarks(tmp_path)
    assert kept["a"] == Remark(favourite=True, note="<b>hands</b> are right")
    assert len(kept["b"].note) == LONGEST_NOTE
    keep_remark(tmp_path, "a", Remark())
    assert list(kept_remarks(tmp_path)) == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}', '{"a": {"favourite": 1, "note": ""}}'])
def test_remarks_that_were_changed_by_hand_are_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(RemarksError, match="mend it, or move it away"):
        kept_remarks(tmp_path)


def test_favourites_have_a_star_in_the_table(opened: OpenedStore) -> None:
    table = ranking_table(opened, [0, 1], {opened.rows[1].cell: Remark(favourite=True)})
    assert table["★"].to_pylist() == ["", "★"]
    assert "★" not in ranking_table(opened, [0, 1]).column_names


def test_the_page_ranks_anew_and_keeps_the_choice_and_a_note(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_STUDIO_STORE", str(store))
    monkeypatch.chdir(store.parent)
    monkeypatch.setattr(sys, "argv", ["streamlit_app.py"])
    app = AppTest.from_file(str(ENTRY), default_timeout=60).switch_page("ranking/ranking_page.py").run()
    assert not app.exception
    assert not app.sidebar.select_slider
    app.session_state["limits shown"] = True
    for slider in app.run().sidebar.select_slider[:4]:
        slider.set_value(OFF)
    app.run()
    assert not app.exception
    assert not any(one.startswith("limit") for one in app.dataframe[0].value["standing"])
    app.session_state["chosen"] = 2
    app.run()
    row = open_for_pages(store).rows[2]
    assert any(f"{row.checkpoint}" in one.value.replace("\\", "") for one in app.markdown if "Chosen" in one.value)
    app.text_input[0].set_value("good hands").run()
    assert not app.exception
    assert kept_remarks(store)[row.cell].note == "good hands"
    app.switch_page("comparing/comparing_page.py").run()
    app.switch_page("ranking/ranking_page.py").run()
    assert not app.sidebar.select_slider
    assert not any(one.startswith("limit") for one in app.dataframe[0].value["standing"]), "closed, they hold"
    app.session_state["limits shown"] = True
    assert [one.value for one in app.run().sidebar.select_slider[:4]] == [OFF] * 4
    assert app.text_input[0].value == "good hands"
    assert place_among(open_for_pages(store), row.cell, row.checkpoint) == 2
