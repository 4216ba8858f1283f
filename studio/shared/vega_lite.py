"""Charts in Vega-Lite's own words (vega.github.io/vega-lite/docs). No Streamlit here.

They are written as they are: the library that writes them from Python takes a second to be loaded, which the first
visitor would wait for. Tests hold them against Vega-Lite's schema.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Spec = dict[str, Any]
# What a chart draws: each row's values by name.
Rows = list[dict[str, Any]]

COLOURS = ("#2456c7", "#d9822b", "#1d7a4c", "#8a48c8", "#a33a1f")
# One thing to the browser, where each mark would be an element of the page, to be laid out with all others.
ON_CANVAS: Spec = {"embedOptions": {"renderer": "canvas"}}
# What a point's size or a line's place is measured on: an axis that need not begin at 0, with room at its ends.
NEAR_THE_FIGURES: Spec = {"zero": False, "padding": 12}
KINDS = {"N": "nominal", "O": "ordinal", "Q": "quantitative"}


def field(name: str, **more: Any) -> Spec:
    """A column and its kind, as `identity:Q`, on a channel of its own."""
    column, _, kind = name.partition(":")
    return {"field": column, "type": KINDS[kind], **more}


def legend_above(**more: Any) -> Spec:
    """A legend without a title over the chart, whose names are not cut short."""
    return {"orient": "top", "title": None, "labelLimit": 500, **more}


def picked_row(name: str) -> list[Spec]:
    """A click on a mark picks its `row`, under that name."""
    return [{"name": name, "select": {"type": "point", "fields": ["row"]}}]


def data_of(rows: Rows) -> Spec:
    """Rows as a chart's data; what is not a number is null, for JSON has no other word for it."""
    return {"values": [{name: finite_or_none(value) for name, value in row.items()} for row in rows]}


def finite_or_none(value: object) -> object:
    """A value as JSON has it, which knows no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def layered(rows: Rows, layers: Sequence[Spec], **more: Any) -> Spec:
    """A chart of layers over the same rows."""
    return {"data": data_of(rows), "layer": list(layers), **more}
