"""Tables: as many columns as fit, no name ever broken, and columns by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from foundation.printing import printable
from foundation.terminal_tables import (
    Row,
    TableColumn,
    UnknownColumnError,
    asked_columns,
    fitting,
    hanging,
    one_line,
    pair_lines,
    table_lines,
)

NAMES = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=90)


def ranking(names: list[str], also: str = "") -> list[TableColumn]:
    count = len(names)
    return [
        TableColumn("#", [str(at + 1) for at in range(count)], is_right=True, leads=True),
        TableColumn("", ["cannot tell"] * count, keys=("standing",)),
        TableColumn("checkpoint", names, is_name=True),
        TableColumn("also", [also] * count, is_name=True),
        TableColumn("identity", ["0.512"] * count, is_right=True, keys=("identity_value",)),
        TableColumn("on new pictures", ["0.400 to 0.600"] * count, is_right=True),
        TableColumn("faces", ["100 % (67 to 100)"] * count, is_right=True, worth=8),
        TableColumn("bleed", ["+0.010 (-0.02 to +0.04)"] * count, is_right=True, worth=4),
    ]


def plain(columns: list[TableColumn], width: int, notes: tuple[str, ...] = ()) -> list[str]:
    rows = [Row("", notes) for _ in columns[0].cells]
    return [line.plain for line in table_lines(fitting(columns, width), rows, width)]


def test_columns_of_least_worth_go_first_and_names_stand_apart_where_they_must() -> None:
    assert plain(ranking(["hina-000001"]), 120)[0].split("  ")[-1] == "bleed"
    assert plain(ranking(["hina-000001"]), 100)[0].split()[-1] == "faces"
    assert plain(ranking(["hina-000001"]), 72) == [
        "#               checkpoint   also  identity  on new pictures",
        "1  cannot tell  hina-000001           0.512   0.400 to 0.600",
    ]
    long = "a-very-long-name-of-a-checkpoint-that-nobody-would-type-000010"
    assert plain(ranking([long], "style:unet=0.3"), 60) == [
        "#               identity  on new pictures              faces",
        f"1  {long} + style:unet=0.3",
        "   cannot tell     0.512   0.400 to 0.600  100 % (67 to 100)",
    ]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@given(names=st.lists(NAMES, min_size=1, max_size=4), also=st.text(max_size=70))
def test_no_name_is_broken_and_no_figure_is_cut_at_any_width(width: int, names: list[str], also: str) -> None:
    lines = plain(ranking(names, also), width)
    text = "\n".join(lines)
    for name in names:
        assert one_line(name).rstrip() in text
    assert text.count("0.512") >= len(names)
    for line in lines:
        is_a_names = any(one_line(name).rstrip() in line for name in names)
        assert cell_len(line) <= width or is_a_names
        assert printable(line) == line


def test_wide_letters_keep_columns_below_their_headings() -> None:
    heading, row = plain(ranking(["日本語"]), 200)
    assert cell_len(row[: row.index("0.512")]) == cell_len(heading[: heading.index("identity")]) + 3


def test_columns_are_asked_for_by_heading_or_key_in_any_spelling() -> None:
    asked = asked_columns(ranking(["a"]), "On-New-Pictures, standing,identity_value,checkpoint,identity")
    assert [column.heading for column in asked] == ["on new pictures", "", "identity", "checkpoint"]


@pytest.mark.parametrize("asked", ["foo", "identity,foo", "", " , "])
def test_an_unknown_column_is_an_error_that_lists_them(asked: str) -> None:
    with pytest.raises(UnknownColumnError, match="there are: #, standing, checkpoint, also, identity, on new"):
        asked_columns(ranking(["a"]), asked)


def test_notes_hang_below_their_row_and_pairs_below_their_heading() -> None:
    assert plain(ranking(["a"]), 60, ("it is broken in many ways that fill the line and go on",))[2:] == [
        "     it is broken in many ways that fill the line and go on",
    ]
    assert hanging("one two three", "  ", 9) == ["  one two", "  three"]
    pairs = [line.plain for line in pair_lines({"rank": "16", "tags": "red hair, blue eyes", "": ""}, 18)]
    assert [line.rstrip() for line in pairs] == ["rank  16", "tags  red hair,", "      blue eyes", ""]
