"""Charts of the ranking, as Vega-Lite's descriptions. No Streamlit here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from studio.languages.translation import tr
from studio.ranking.ranking_rows import NO_OTHER
from studio.shared.vega_lite import (
    COLOURS,
    NEAR_THE_FIGURES,
    ON_CANVAS,
    Rows,
    Spec,
    data_of,
    field,
    layered,
    legend_above,
    picked_row,
)

FIELD = 62
CURVE_HEIGHT = 320
PALE_TO_DARK = ["#e4ebfa", "#2456c7"]
SOFT = "#8a8f98"
# Nobody has to tell colours apart.
SHAPES = ["diamond", "circle", "circle", "cross"]
# What a click on a chart is called: it says the place of a row.
PICKED = "picked"


def epoch_curve(curve: Rows, order: list[str], settings: list[str], levels: Mapping[str, float]) -> Spec:
    """Identity of the checkpoints with 95 % bars, a line for each of `settings`; `levels` are dashed and named."""
    figures = {"identity": tr("identity"), "low": tr("low"), "high": tr("high")}
    shared = {
        "x": field("checkpoint:N", sort=order, title=None, axis={"labelAngle": -30 if len(order) > 6 else 0}),
        # Bars of two settings would hide each other where they share a checkpoint.
        "xOffset": field("settings:N", sort=settings, scale={"paddingOuter": 1}),
        "color": field(
            "settings:N",
            sort=settings,
            scale={"domain": settings, "range": [*COLOURS[: len(settings)]]},
            legend=legend_above(symbolType="stroke"),
        ),
        "tooltip": [
            field("checkpoint:N", title=tr("checkpoint")),
            field("settings:N", title=tr("settings")),
            *(field(f"{name}:Q", title=title, format=".3f") for name, title in figures.items()),
        ],
    }
    up = field("identity:Q", title=tr("identity"), scale=NEAR_THE_FIGURES)
    bar = {"y": field("low:Q", title=tr("identity")), "y2": {"field": "high"}}
    layers: list[Spec] = [
        *_levels(levels),
        {"mark": {"type": "line", "strokeWidth": 2, "opacity": 0.55}, "encoding": {**shared, "y": up}},
        {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": {**shared, **bar}},
        {
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
            "encoding": {**shared, "y": up},
            "params": picked_row(PICKED),
        },
    ]
    told = _told(curve, tr("Identity over the checkpoints"), lambda row: f"{row['checkpoint']}, {row['settings']}")
    return layered(curve, layers, height=CURVE_HEIGHT, description=told, usermeta=ON_CANVAS)


def trade_off(points: Rows, cost: str, kinds: Sequence[str]) -> Spec:
    """Likeness against `cost`, a point for each row; those that no row beats in both are joined by a line."""
    shared = {
        "x": field("cost:Q", title=cost, scale=NEAR_THE_FIGURES),
        "y": field("identity:Q", title=tr("identity"), scale=NEAR_THE_FIGURES),
    }
    first, front, *_ = kinds
    line = {
        "transform": [{"filter": {"field": "kind", "oneOf": [first, front]}}],
        "mark": {"type": "line", "color": SOFT, "strokeDash": [4, 4], "strokeWidth": 1.5},
        "encoding": {**shared, "order": field("cost:Q")},
    }
    dots = {
        "mark": {"type": "point", "filled": True, "size": 90, "opacity": 0.9},
        "encoding": {
            **shared,
            "color": field(
                "kind:N",
                scale={"domain": list(kinds), "range": [COLOURS[1], COLOURS[0], SOFT, COLOURS[4]]},
                legend=legend_above(),
            ),
            "shape": field("kind:N", scale={"domain": list(kinds), "range": SHAPES}, legend=None),
            "tooltip": [
                field("name:N", title=tr("cell")),
                field("row:Q", title=tr("row")),
                field("identity:Q", title=tr("identity"), format=".3f"),
                field("cost:Q", title=cost.partition(" (")[0], format="+.3f"),
            ],
        },
        "params": picked_row(PICKED),
    }
    told = _told(points, tr("Identity against what it costs"), lambda row: str(row["name"]))
    return layered(points, [line, dots], height=CURVE_HEIGHT, description=told, usermeta=ON_CANVAS)


def weights_map(heat: Rows) -> Spec:
    """Identity over UNet (across) and text encoder (down) weights, one map for each `also`, on one colour scale."""
    figures: list[float] = [row["identity"] for row in heat]
    ends = min(figures), max(figures)
    groups: dict[str, Rows] = {}
    for row in heat:
        groups.setdefault(row["also"], []).append(row)
    maps = [_one_map(own, also, ends, f"{PICKED}{at}") for at, (also, own) in enumerate(groups.items())]
    told = _told(
        heat,
        tr("Identity over UNet and text-encoder weights"),
        lambda row: tr("UNet {unet}, TEnc {te}", unet=row["unet"], te=row["te"]),
    )
    return {"hconcat": maps, "spacing": 36, "description": told, "usermeta": ON_CANVAS}


def _told(rows: Rows, chart: str, where: Callable[[Mapping[str, Any]], str]) -> str:
    """A chart in a sentence, for who does not see it: where it is highest."""
    known = [row for row in rows if not math.isnan(row["identity"])]
    if not known:
        return chart
    best = max(known, key=lambda row: row["identity"])
    return tr(
        "{chart}: the highest is {identity}, at {place}.",
        chart=chart,
        identity=f"{best['identity']:.3f}",
        place=where(best),
    )


def _one_map(own: Rows, also: str, ends: tuple[float, float], name: str) -> Spec:
    """Fields coloured from pale at the lower of `ends` to dark at the upper."""
    shared = {
        "x": field("unet:O", title=tr("UNet weight"), axis={"labelAngle": 0, "orient": "top"}),
        "y": field("te:O", title=tr("TEnc weight"), sort="descending"),
        "tooltip": _field_tooltip(),
    }
    fields = {
        "mark": {"type": "rect", "cornerRadius": 5},
        "encoding": {
            **shared,
            "color": field("identity:Q", scale={"domain": list(ends), "range": PALE_TO_DARK}, legend=None),
        },
        "params": picked_row(name),
    }
    is_dark = f"datum.identity > {sum(ends) / 2!r}"
    figures = {
        "mark": {"type": "text", "fontSize": 13},
        "encoding": {
            **shared,
            "text": field("identity:Q", format=".3f"),
            "color": {"condition": {"test": is_dark, "value": "white"}, "value": "#1d1f23"},
            "opacity": {"condition": {"test": "datum.broken", "value": 0.45}, "value": 1.0},
        },
    }
    outline = {
        "transform": [{"filter": "datum.best"}],
        # Said by the chart's own sentence; where no field is the best, a picture without words would be left.
        "mark": {
            "type": "rect", "filled": False, "cornerRadius": 5, "stroke": COLOURS[1], "strokeWidth": 4, "aria": False,
        },
        "encoding": shared,
    }  # fmt: skip
    title = tr("this LoRA alone") if also == NO_OTHER else tr("with {lora}", lora=also)
    width, height = (FIELD * len({row[axis] for row in own}) for axis in ("unet", "te"))
    return layered(own, [fields, figures, outline], title=title, width=width, height=height)


def _field_tooltip() -> list[Spec]:
    return [
        field("unet:O", title=tr("UNet weight")),
        field("te:O", title=tr("TEnc weight")),
        field("identity:Q", title=tr("identity"), format=".3f"),
        field("interval:N", title=tr("interval")),
        field("standing:N", title=tr("standing")),
    ]


def _levels(levels: Mapping[str, float]) -> list[Spec]:
    data = data_of([{"name": name, "level": level} for name, level in levels.items()])
    up = {"y": field("level:Q")}
    text = {"type": "text", "align": "left", "dx": 4, "dy": -7, "color": SOFT, "x": 0}
    return [
        {"data": data, "mark": {"type": "rule", "strokeDash": [5, 4], "color": SOFT}, "encoding": up},
        {"data": data, "mark": text, "encoding": {**up, "text": field("name:N")}},
    ]
