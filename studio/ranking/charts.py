"""Altair charts from the frames. No Streamlit here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from foundation.typed.untyped import untyped
from studio.languages.translation import tr
from studio.ranking.frames import NO_OTHER

FIELD = 62
CURVE_HEIGHT = 320
COLOURS = ["#2456c7", "#d9822b", "#1d7a4c", "#8a48c8", "#a33a1f"]
PALE_TO_DARK = ["#e4ebfa", "#2456c7"]
SOFT = "#8a8f98"
# Nobody has to tell colours apart.
SHAPES = ["diamond", "circle", "circle", "cross"]
# What a click on a chart is called: it says the place of a row.
PICKED = "picked"


def epoch_curve(
    curve: pd.DataFrame, order: list[str], settings: list[str], levels: Mapping[str, float]
) -> alt.LayerChart | alt.FacetChart:
    """Identity of the checkpoints with 95 % bars, a line for each of `settings`; `levels` are dashed and named."""
    across = alt.X("checkpoint:N", sort=order, title=None, axis=alt.Axis(labelAngle=-30 if len(order) > 6 else 0))
    # Bars of two settings would hide each other where they share a checkpoint.
    aside = alt.XOffset("settings:N", sort=settings, scale=alt.Scale(paddingOuter=1))
    colour = alt.Color(
        "settings:N",
        sort=settings,
        scale=alt.Scale(domain=settings, range=COLOURS[: len(settings)]),
        legend=alt.Legend(orient="top", title=None, labelLimit=500, symbolType="stroke"),
    )
    figures = {"identity": tr("identity"), "low": tr("low"), "high": tr("high")}
    tooltip = [
        alt.Tooltip("checkpoint", title=tr("checkpoint")),
        alt.Tooltip("settings", title=tr("settings")),
        *(alt.Tooltip(name, title=title, format=".3f") for name, title in figures.items()),
    ]
    up = alt.Y("identity:Q", title=tr("identity"), scale=alt.Scale(zero=False, padding=12))
    base = alt.Chart(curve).encode(x=across, xOffset=aside, color=colour, tooltip=tooltip)
    picked = alt.selection_point(name=PICKED, fields=["row"])
    bars = base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q", title=tr("identity")), y2="high:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(y=up).add_params(picked)
    lines = base.mark_line(strokeWidth=2, opacity=0.55).encode(y=up)
    told = _told(curve, tr("Identity over the checkpoints"), lambda row: f"{row['checkpoint']}, {row['settings']}")
    return alt.layer(*_levels(levels), lines, bars, dots).properties(height=CURVE_HEIGHT, description=told)


def trade_off(points: pd.DataFrame, cost: str, kinds: Sequence[str]) -> alt.LayerChart | alt.FacetChart:
    """Likeness against `cost`, a point for each row; those that no row beats in both are joined by a line."""
    base = alt.Chart(points).encode(
        x=alt.X("cost:Q", title=cost, scale=alt.Scale(zero=False, padding=12)),
        y=alt.Y("identity:Q", title=tr("identity"), scale=alt.Scale(zero=False, padding=12)),
    )
    first, front, *_ = kinds
    line = (
        base.transform_filter(alt.FieldOneOfPredicate(field="kind", oneOf=[first, front]))
        .mark_line(color=SOFT, strokeDash=[4, 4], strokeWidth=1.5)
        .encode(order="cost:Q")
    )
    dots = base.mark_point(filled=True, size=90, opacity=0.9).encode(
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=list(kinds), range=[COLOURS[1], COLOURS[0], SOFT, COLOURS[4]]),
            legend=alt.Legend(orient="top", title=None, labelLimit=300),
        ),
        shape=alt.Shape("kind:N", scale=alt.Scale(domain=list(kinds), range=SHAPES), legend=None),
        tooltip=[
            alt.Tooltip("name", title=tr("cell")),
            alt.Tooltip("row", title=tr("row")),
            alt.Tooltip("identity", title=tr("identity"), format=".3f"),
            alt.Tooltip("cost", title=cost.partition(" (")[0], format="+.3f"),
        ],
    )
    picked = alt.selection_point(name=PICKED, fields=["row"])
    told = _told(points, tr("Identity against what it costs"), lambda row: str(row["name"]))
    return alt.layer(line, dots.add_params(picked)).properties(height=CURVE_HEIGHT, description=told)


def weights_map(heat: pd.DataFrame) -> alt.HConcatChart:
    """Identity over UNet (across) and text encoder (down) weights, one map for each `also`, on one colour scale."""
    figures: list[float] = untyped(heat)["identity"].tolist()
    ends = min(figures), max(figures)
    groups: Iterable[tuple[str, pd.DataFrame]] = untyped(heat).groupby("also", sort=False)
    maps = [_one_map(own, str(also), ends, f"{PICKED}{at}") for at, (also, own) in enumerate(groups)]
    told = _told(
        heat,
        tr("Identity over UNet and text-encoder weights"),
        lambda row: tr("UNet {unet}, TEnc {te}", unet=row["unet"], te=row["te"]),
    )
    return alt.hconcat(*maps, spacing=36).properties(description=told)


def _told(frame: pd.DataFrame, chart: str, where: Callable[[Mapping[str, Any]], str]) -> str:
    """A chart in a sentence, for who does not see it: where it is highest."""
    known = untyped(frame).dropna(subset=["identity"])
    if known.empty:
        return chart
    best: Mapping[str, Any] = known.loc[known["identity"].idxmax()]
    return tr(
        "{chart}: the highest is {identity}, at {place}.",
        chart=chart,
        identity=f"{best['identity']:.3f}",
        place=where(best),
    )


def _one_map(own: pd.DataFrame, also: str, ends: tuple[float, float], name: str) -> alt.LayerChart | alt.FacetChart:
    """Fields coloured from pale at the lower of `ends` to dark at the upper."""
    scale = alt.Scale(domain=list(ends), range=PALE_TO_DARK)
    encoded = alt.Chart(own).encode(
        x=alt.X("unet:O", title=tr("UNet weight"), axis=alt.Axis(labelAngle=0, orient="top")),
        y=alt.Y("te:O", title=tr("TEnc weight"), sort="descending"),
        tooltip=_field_tooltip(),
    )
    picked = alt.selection_point(name=name, fields=["row"])
    fields = encoded.mark_rect(cornerRadius=5).encode(color=alt.Color("identity:Q", scale=scale, legend=None))
    fields = fields.add_params(picked)
    figures = encoded.mark_text(fontSize=13).encode(
        text=alt.Text("identity:Q", format=".3f"),
        color=alt.when(alt.datum.identity > sum(ends) / 2).then(alt.value("white")).otherwise(alt.value("#1d1f23")),
        opacity=alt.when(alt.datum.broken).then(alt.value(0.45)).otherwise(alt.value(1.0)),
    )
    outline = (
        encoded.transform_filter(alt.datum.best)
        # Said by the chart's own sentence; where no field is the best, a picture without words would be left.
        .mark_rect(filled=False, cornerRadius=5, stroke=COLOURS[1], strokeWidth=4, aria=False)
        .encode()
    )
    title = tr("this LoRA alone") if also == NO_OTHER else tr("with {lora}", lora=also)
    width, height = (FIELD * len({*untyped(own)[axis]}) for axis in ("unet", "te"))
    return alt.layer(fields, figures, outline).properties(title=title, width=width, height=height)


def _field_tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("unet", title=tr("UNet weight")),
        alt.Tooltip("te", title=tr("TEnc weight")),
        alt.Tooltip("identity", title=tr("identity"), format=".3f"),
        alt.Tooltip("interval", title=tr("interval")),
        alt.Tooltip("standing", title=tr("standing")),
    ]


def _levels(levels: Mapping[str, float]) -> list[alt.Chart]:
    frame = pd.DataFrame({"name": list(levels), "level": list(levels.values())})
    base = alt.Chart(frame).encode(y="level:Q")
    text = base.mark_text(align="left", dx=4, dy=-7, color=SOFT, x=0).encode(text="name:N")
    return [base.mark_rule(strokeDash=[5, 4], color=SOFT), text]
