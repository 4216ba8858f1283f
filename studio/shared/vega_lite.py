"""Charts in Vega-Lite's own words (vega.github.io/vega-lite/docs). No Streamlit here.

They are written as they are: the library that writes them from Python takes a second to be loaded, which the first
visitor would wait for. Tests hold them against Vega-Lite's schema.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from foundation.typed.untyped import untyped

Spec = dict[str, Any]

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


def values(frame: pd.DataFrame) -> Spec:
    """A frame's rows as a chart's data; what is not a number is null."""
    return {"values": json.loads(untyped(frame).to_json(orient="records"))}


def layered(frame: pd.DataFrame, layers: Sequence[Spec], **more: Any) -> Spec:
    """A chart of layers over one frame's rows."""
    return {"data": values(frame), "layer": list(layers), **more}
