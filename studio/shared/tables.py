"""Columns as the table that Streamlit sends to the browser. No Streamlit here.

It takes an Arrow table as it is. Of any other it makes a DataFrame first, whose library takes most of a second to be
loaded: the first visitor would wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Protocol

import pyarrow
import pyarrow.json as pyarrow_json

from foundation.typed.untyped import untyped
from studio.shared.vega_lite import Rows, Spec, finite_or_none

arrow = untyped(pyarrow)


class Column(Protocol):
    """What is asked of an Arrow table's column, whose library says no types."""

    def to_pylist(self) -> list[Any]:
        """Its fields."""
        ...


class Table(Protocol):
    """What is asked of an Arrow table."""

    @property
    def num_rows(self) -> int:
        """How many rows it has."""
        ...

    @property
    def column_names(self) -> list[str]:
        """The headings, from the left."""
        ...

    def __getitem__(self, heading: str, /) -> Column: ...


def table_of(columns: Mapping[str, Sequence[object]]) -> Table:
    """A table of columns of one length, by their headings: of texts, numbers, or lists of numbers, which are small
    charts. None, and what is not a number, is an empty field.

    It is read from JSON, for of Python's lists Arrow asks whether they are pandas' own, and loads pandas to ask.
    """
    kinds = arrow.schema([(heading, _kind(values)) for heading, values in columns.items()])
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    written = "\n".join(json.dumps({name: finite_or_none(value) for name, value in row.items()}) for row in rows)
    if not rows:
        return kinds.empty_table()
    text = written.encode()
    table: Table = untyped(pyarrow_json).read_json(
        BytesIO(text),
        read_options=untyped(pyarrow_json).ReadOptions(block_size=len(text) + 1),
        parse_options=untyped(pyarrow_json).ParseOptions(explicit_schema=kinds, newlines_in_values=True),
    )
    return table


def as_table(drawn: Spec) -> Spec:
    """A chart whose rows are such a table; one of several charts has rows of their own, and stays as it is."""
    if "data" not in drawn:
        return drawn
    rows: Rows = drawn["data"]["values"]
    names = dict.fromkeys(name for row in rows for name in row)
    return {**drawn, "data": {"values": table_of({name: [row.get(name) for row in rows] for name in names})}}


def _kind(values: Sequence[object]) -> object:
    known = [one for one in values if one is not None]
    if not known or any(isinstance(one, str) for one in known):
        return arrow.string()
    if any(isinstance(one, list) for one in known):
        return arrow.list_(arrow.float64())
    if all(isinstance(one, bool) for one in known):
        return arrow.bool_()
    return arrow.int64() if all(isinstance(one, int) for one in known) else arrow.float64()
