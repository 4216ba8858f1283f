"""Columns become the table that a browser is sent, whatever they hold."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.typed.untyped import untyped
from studio.shared.tables import as_table, table_of
from studio.shared.vega_lite import data_of, layered

FIELDS = st.one_of(
    st.lists(st.one_of(st.none(), st.text()), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=3, max_size=3),
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4), min_size=3, max_size=3),
    st.lists(st.integers(-(2**40), 2**40), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=3, max_size=3),
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), FIELDS, max_size=4))
def test_a_table_holds_the_columns_as_they_are(columns: dict[str, list[object]]) -> None:
    table = table_of(columns)
    assert table.column_names == list(columns)
    assert [table[heading].to_pylist() for heading in columns] == list(columns.values())


def test_a_column_of_empty_fields_is_one_of_texts() -> None:
    table = table_of({"note": [None, None], "row": [1, 2]})
    assert table["note"].to_pylist() == [None, None]
    assert untyped(table)["note"].type == "string"


def test_what_is_no_number_is_an_empty_field_and_a_date_is_a_text() -> None:
    table = table_of({"value": [float("nan"), float("inf"), 1], "when": ["2026-01-01", "2026-01-02 03:04", "-"]})
    assert table["value"].to_pylist() == [None, None, 1.0]
    assert table["when"].to_pylist() == ["2026-01-01", "2026-01-02 03:04", "-"]
    assert table_of({"value": [], "when": []}).column_names == ["value", "when"]


def test_what_is_no_number_is_null_in_a_chart() -> None:
    rows = [{"value": float("nan"), "low": float("-inf"), "name": "nan", "row": 0, "known": 0.25}]
    assert data_of(rows) == {"values": [{"value": None, "low": None, "name": "nan", "row": 0, "known": 0.25}]}


@settings(deadline=None)
@given(st.dictionaries(st.text(), FIELDS, max_size=4))
def test_a_chart_is_sent_as_a_table_of_the_same_rows(columns: dict[str, list[object]]) -> None:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    chart = layered(rows, [{"mark": "line"}], height=3)
    sent = as_table(chart)
    assert sent["data"]["values"].to_pylist() == rows
    assert {name: value for name, value in sent.items() if name != "data"} == {"layer": [{"mark": "line"}], "height": 3}
    assert chart["data"]["values"] == rows
    assert as_table({"hconcat": [chart, chart]}) == {"hconcat": [chart, chart]}
