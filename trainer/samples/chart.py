"""Identity over the epochs, as a picture that any viewer opens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from foundation.chart_axis import ticks
from foundation.files import whole_file
from trainer.samples.curve import Curve, Identity

# Drawn twice as large and scaled down, which smooths the lines.
ZOOM = 2
WIDTH, HEIGHT = 720 * ZOOM, 360 * ZOOM
LEFT, RIGHT, TOP, BOTTOM = 56 * ZOOM, 128 * ZOOM, 34 * ZOOM, 44 * ZOOM
PAPER, INK, PALE, GRID, LINE = "#ffffff", "#1b1f24", "#59636e", "#e4e7eb", "#1f6feb"


def write_chart(curve: Curve, path: Path) -> None:
    """Write the curve with its 95 % bars, base model and real pictures as levels across; nothing below two epochs."""
    points = [(one.epoch, one.identity) for one in curve.drawn if one.identity is not None]
    if curve.scale is None or len(points) < 2:
        return
    levels = {"base model": curve.floor and curve.floor.mean, "real pictures": curve.scale.ceiling}
    known = {name: level for name, level in levels.items() if level is not None}
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    frame = _Frame(picture, points, list(known.values()))
    pictures = max(len(one.pictures) for one in curve.drawn)
    frame.text(
        (LEFT, 8 * ZOOM),
        f"identity: cosine to {curve.scale.references} held-out pictures, face pack {Path(curve.scale.model).name}, "
        f"{pictures} pictures an epoch, 95 % bars",
        INK,
    )
    frame.axes(points)
    for name, level in known.items():
        frame.level(name, level)
    frame.line(points)
    with whole_file(path) as beside:
        picture.resize((WIDTH // ZOOM, HEIGHT // ZOOM), Image.Resampling.LANCZOS).save(beside, format="PNG")


class _Frame:
    """Where epochs and cosines lie on the picture."""

    def __init__(self, picture: Image.Image, points: Sequence[tuple[int, Identity]], levels: Sequence[float]) -> None:
        self._pen, self._font = ImageDraw.Draw(picture), ImageFont.load_default(size=12 * ZOOM)
        bars = [end for _, one in points for end in (one.low, one.high) if end is not None]
        values = [*levels, *bars, *(one.mean for _, one in points)]
        room = max(0.06 * (max(values) - min(values)), 0.01)
        self._low, self._high = min(values) - room, max(values) + room
        self._first, self._last = points[0][0], points[-1][0]

    def text(self, where: tuple[float, float], text: str, colour: str, anchor: str = "la") -> None:
        self._pen.text(where, text, fill=colour, font=self._font, anchor=anchor)

    def x(self, epoch: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (epoch - self._first + 0.3) / (self._last - self._first + 0.6)

    def y(self, value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (self._high - value) / (self._high - self._low)

    def axes(self, points: Sequence[tuple[int, Identity]]) -> None:
        for value in ticks(self._low, self._high):
            self._pen.line([(LEFT, self.y(value)), (WIDTH - RIGHT, self.y(value))], fill=GRID, width=ZOOM)
            self.text((LEFT - 8 * ZOOM, self.y(value)), f"{value:g}", PALE, "rm")
        every = -(-len(points) // 16)
        for epoch, _ in points[::every]:
            self.text((self.x(epoch), HEIGHT - BOTTOM + 8 * ZOOM), str(epoch) if epoch else "base", PALE, "ma")
        self.text(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4 * ZOOM), "epoch", PALE, "ms")

    def level(self, name: str, value: float) -> None:
        dash = 6 * ZOOM
        for start in range(LEFT, WIDTH - RIGHT, 2 * dash):
            self._pen.line([(start, self.y(value)), (start + dash, self.y(value))], fill=PALE, width=ZOOM)
        self.text((WIDTH - RIGHT + 8 * ZOOM, self.y(value)), f"{name} {value:.3f}", PALE, "lm")

    def line(self, points: Sequence[tuple[int, Identity]]) -> None:
        self._pen.line([(self.x(at), self.y(one.mean)) for at, one in points], fill=LINE, width=2 * ZOOM, joint="curve")
        for at, one in points:
            x, y, wing = self.x(at), self.y(one.mean), 4 * ZOOM
            if one.low is not None and one.high is not None:
                self._pen.line([(x, self.y(one.low)), (x, self.y(one.high))], fill=LINE, width=ZOOM)
                for end in (one.low, one.high):
                    self._pen.line([(x - wing, self.y(end)), (x + wing, self.y(end))], fill=LINE, width=ZOOM)
            self._pen.ellipse([x - wing, y - wing, x + wing, y + wing], fill=LINE)
