"""Small SVG drawings for the report. Colours are the page's CSS variables, so they follow its light and dark form."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from foundation.chart_axis import ticks

WIDTH, HEIGHT = 1080.0, 340.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 116.0, 14.0, 44.0
CELL_WIDTH, CELL_HEIGHT = 78.0, 46.0
# A filled cell never gets so dark that the figure on it cannot be read.
FAINTEST, STRONGEST = 0.06, 0.62


@dataclass(frozen=True)
class Point:
    """One value with its interval (None where unknown) at the column `at` of a chart; hollow where it is no choice."""

    at: int
    value: float
    low: float | None
    high: float | None
    is_hollow: bool = False


@dataclass(frozen=True)
class Series:
    """A line of a chart; `style` is the CSS class that colours it ("first" or "second")."""

    name: str
    style: str
    points: list[Point]


@dataclass(frozen=True)
class HeatCell:
    """One field of a heat map. `mark` is "best", "broken" or ""; `title` is what hovering says."""

    value: float
    mark: str
    title: str


@dataclass(frozen=True)
class Dot:
    """One cell of a scatter: `rank` 0 is the first; `style` is the CSS class, `title` what hovering says."""

    x: float
    y: float
    rank: int
    style: str
    title: str


def line_chart(labels: Sequence[str], series: Sequence[Series], levels: Mapping[str, float], axis: str) -> Markup:
    """Lines with 95 % bars over named columns, and dashed `levels` across, named at their right end."""
    low, high = _range(series, levels.values())

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at + 0.5) / max(len(labels), 1)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [_tick(value, y(value)) for value in ticks(low, high)]
    step = math.ceil(len(labels) / 16)
    parts += [_text(x(at), HEIGHT - 22, label, "label") for at, label in enumerate(labels) if at % step == 0]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, axis, "label"))
    parts += [_level(name, y(value)) for name, value in levels.items()]
    for index, one in enumerate(series):
        shift = (index - (len(series) - 1) / 2) * 0.12
        marks = [(x(point.at + shift), y(point.value), point) for point in one.points]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py, _ in marks)
        bars = "".join(_bar(px, y(p.low), y(p.high)) for px, _, p in marks if p.low is not None and p.high is not None)
        dots = "".join(
            _dot(px, py, f"{one.name}, {labels[p.at]}: {p.value:.3f}", "hollow" if p.is_hollow else "")
            for px, py, p in marks
        )
        parts.append(f'<g class="{escape(one.style)}"><polyline points="{path}"/>{bars}{dots}</g>')
    return _svg(WIDTH, HEIGHT, "chart", f"{', '.join(one.name for one in series)} by {axis}", parts)


def heat_map(
    rows: Sequence[str], columns: Sequence[str], cells: Mapping[tuple[int, int], HeatCell], scale: tuple[float, float]
) -> Markup:
    """Fields of (row, column), the darker the nearer to the upper end of `scale`; fields not measured stay empty."""
    left, top = max(46.0, 14 + 7 * max(map(len, rows), default=0)), 22.0
    parts = [_text(left + CELL_WIDTH * (at + 0.5), 14, name, "label") for at, name in enumerate(columns)]
    parts += [_text(left - 8, top + CELL_HEIGHT * (at + 0.5) + 4, name, "label end") for at, name in enumerate(rows)]
    low, high = scale
    for (row, column), cell in cells.items():
        share = min(1.0, max(0.0, (cell.value - low) / (high - low))) if high > low else 0.5
        parts.append(_field(left + CELL_WIDTH * column, top + CELL_HEIGHT * row, share, cell))
    width, height = left + CELL_WIDTH * len(columns) + 2, top + CELL_HEIGHT * len(rows) + 2
    return _svg(width, height, "heat", f"identity for {len(cells)} combinations of weights", parts)


def scatter(dots: Sequence[Dot], across: str, up: str) -> Markup:
    """Dots by two figures, `across` and `up` being their names; each dot's `style` is its CSS class."""
    left, right = _ends([dot.x for dot in dots])
    low, high = _ends([dot.y for dot in dots])

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - left) / (right - left)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [_tick(value, y(value)) for value in ticks(low, high)]
    parts += [_text(x(value), HEIGHT - 22, f"{value:g}", "label") for value in ticks(left, right)]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, across, "label"))
    # What stands out is drawn last, so that nothing hides it.
    for dot in sorted(dots, key=lambda one: one.rank, reverse=True):
        parts.append(f'<g class="dot {escape(dot.style)}">{_dot(x(dot.x), y(dot.y), dot.title)}</g>')
    return _svg(WIDTH, HEIGHT, "chart", f"{up} against {across} of {len(dots)} cells", parts)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    room = max((max(values) - min(values)) * 0.06, 0.005)
    return min(values) - room, max(values) + room


def _range(series: Sequence[Series], levels: Iterable[float]) -> tuple[float, float]:
    values = [value for one in series for p in one.points for value in (p.value, p.low, p.high) if value is not None]
    values += levels
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = max((high - low) * 0.06, 0.01)
    return low - room, high + room


def _svg(width: float, height: float, style: str, label: str, parts: Sequence[str]) -> Markup:
    return Markup(
        f'<svg class="{style}" role="img" aria-label="{escape(label)}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _field(x: float, y: float, share: float, cell: HeatCell) -> str:
    opacity = FAINTEST + (STRONGEST - FAINTEST) * share
    return (
        f'<g class="field {escape(cell.mark)}"><title>{escape(cell.title)}</title>'
        f'<rect x="{x + 1.5:.1f}" y="{y + 1.5:.1f}" width="{CELL_WIDTH - 3:.1f}" height="{CELL_HEIGHT - 3:.1f}" '
        f'rx="5" fill-opacity="{opacity:.3f}"/>'
        f"{_text(x + CELL_WIDTH / 2, y + CELL_HEIGHT / 2 + 4.5, f'{cell.value:.3f}', '')}</g>"
    )


def _tick(value: float, y: float) -> str:
    line = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(LEFT - 8, y + 4, f"{value:g}", "label end")


def _level(name: str, y: float) -> str:
    line = f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(WIDTH - RIGHT + 8, y + 4, name, "label start")


def _bar(x: float, low: float, high: float) -> str:
    return f'<path class="bar" d="M{x:.1f} {low:.1f}V{high:.1f}M{x - 4:.1f} {low:.1f}h8M{x - 4:.1f} {high:.1f}h8"/>'


def _dot(x: float, y: float, title: str, style: str = "") -> str:
    look = f' class="{style}"' if style else ""
    return f'<circle{look} cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{escape(title)}</title></circle>'
