"""Draws a person of the miniature world, or something that is not a person, and says where the face is."""

from __future__ import annotations

import io
import json
import random
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import resvg_py
from dicebear import Avatar, Style
from PIL import Image

from miniature.recipe.world import BACKGROUNDS, CLOTHES_COLOURS, HAIR_COLOURS, SKIN_COLOURS, Identity, Scene

CANVAS = 280.0
PIXELS = 64
SUPERSAMPLE = 2
# On the avataaars canvas, before scale and turn: chin to forehead, ear to ear; eyes, nose, mouth corners.
FACE_BOX = np.array([[76.0, 58.0], [204.0, 188.0]])
LANDMARKS = np.array([[114.0, 112.0], [166.0, 112.0], [140.0, 138.0], [121.0, 154.0], [159.0, 154.0]])


@dataclass(frozen=True)
class Drawing:
    """A picture (64, 64, 3) uint8, its face box (4,) as x0 y0 x1 y1 and landmarks (5, 2) in pixels; None: no face."""

    pixels: np.ndarray
    box: np.ndarray | None
    landmarks: np.ndarray | None


@lru_cache
def _style(name: str) -> Style:
    return Style(json.loads(files("dicebear_styles").joinpath(f"{name}.json").read_text()))


def _rasterise(svg: str, view: tuple[float, float, float], background: str, pixels: int) -> np.ndarray:
    """Render a square window (x, y, width) of the SVG over a plain colour; SUPERSAMPLE times finer, then averaged."""
    x, y, width = view
    svg = re.sub(r'viewBox="[^"]*"', f'viewBox="{x:.3f} {y:.3f} {width:.3f} {width:.3f}"', svg, count=1)
    fine = pixels * SUPERSAMPLE
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=fine, height=fine))
    drawn = Image.open(io.BytesIO(png)).convert("RGBA")
    canvas = Image.new("RGBA", drawn.size, f"#{background}")
    canvas.alpha_composite(drawn)
    rgb = np.asarray(canvas.convert("RGB"), dtype=np.float32)
    return rgb.reshape(pixels, SUPERSAMPLE, pixels, SUPERSAMPLE, 3).mean((1, 3)).round().astype(np.uint8)


def draw_person(identity: Identity, scene: Scene, pixels: int = PIXELS) -> Drawing:
    hair = HAIR_COLOURS[identity.hair_colour]
    options: dict[str, object] = {
        "seed": "fixed",
        "size": pixels,
        "rotate": scene.turn,
        "topVariant": [identity.hair_style],
        "hairColor": [hair],
        "skinColor": [SKIN_COLOURS[identity.skin]],
        "eyebrowsVariant": [identity.brows],
        "facialHairProbability": 100 if identity.beard else 0,
        "facialHairColor": [hair],
        "mouthVariant": [scene.mouth],
        "eyesVariant": [scene.eyes],
        "accessoriesProbability": 100 if scene.glasses else 0,
        "accessoriesColor": ["1d2329"],
        "clothesVariant": [scene.clothes],
        "clothesColor": [CLOTHES_COLOURS[scene.clothes_colour]],
    }
    if identity.beard:
        options["facialHairVariant"] = [identity.beard]
    if scene.glasses:
        options["accessoriesVariant"] = [scene.glasses]
    width = CANVAS / scene.scale
    # The window ends a little above the canvas's lower edge, so that a turned body leaves no gap there.
    view = (CANVAS / 2 - width / 2 + scene.shift, CANVAS - 8 - width, width)
    svg = Avatar(_style("avataaars"), options).to_string()
    drawn = _rasterise(svg, view, BACKGROUNDS[scene.background], pixels)

    angle = np.deg2rad(scene.turn)
    spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([CANVAS / 2, CANVAS / 2])

    def to_pixels(points: np.ndarray) -> np.ndarray:
        return ((points - centre) @ spin.T + centre - np.array(view[:2])) * (pixels / width)

    middle = to_pixels(FACE_BOX.mean(0)[None])[0]
    half = (FACE_BOX[1] - FACE_BOX[0]) / 2 * (pixels / width)
    return Drawing(drawn, np.concatenate([middle - half, middle + half]), to_pixels(LANDMARKS))


def draw_other(rng: random.Random, pixels: int = PIXELS) -> tuple[Drawing, str]:
    """A picture without a person (a robot, a landscape, an icon), and its caption."""
    background = rng.choice(list(BACKGROUNDS))
    kind = rng.choice(["robot", "landscape", "icon"])
    style = {"robot": "bottts", "landscape": "landscape", "icon": "icons"}[kind]
    svg = Avatar(_style(style), {"seed": str(rng.random()), "size": pixels}).to_string()
    box = re.search(r'viewBox="([^"]*)"', svg)
    assert box is not None, style
    x, y, width, _ = (float(value) for value in box.group(1).split())
    margin = 0.0 if kind == "landscape" else width * 0.12
    view = (x - margin, y - margin, width + 2 * margin)
    words = f"picture of a {kind}" if kind != "icon" else "picture of an icon"
    words = words if kind == "landscape" else f"{words}, {background} background"
    return Drawing(_rasterise(svg, view, BACKGROUNDS[background], pixels), None, None), words
