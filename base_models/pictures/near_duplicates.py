"""Which pictures are one picture: recompressed, resized, brightened, mirrored, turned, padded or cropped copies.

Two steps. The middle of each picture, also mirrored and turned, is looked for in all squares of the other; where it is
found, the two are laid over each other to a fraction of a pixel, and compared there. Arrays in, arrays out.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from base_models.pictures.overlay import NOTHING, Overlay, overlay
from base_models.pictures.picture_file import load_picture

SHORT = 96  # pixels of a sketch's shorter side
COARSE = 10  # pixels of a square as it is looked for
FINER = 3  # samples along a pixel of such a square
LONGEST = 2.5  # of a sketch's longer side by its shorter; what is longer is squeezed
SCALES = tuple(float(one) for one in np.geomspace(1.0, 0.48, 9))  # of a square's side, by the picture's shorter side
STEP = 0.12  # between squares, by their side
TURNS = (-10.0, -5.0, 0.0, 5.0, 10.0, 90.0, 180.0, 270.0)  # degrees
INNER = np.array([[0.75, 0.75, 1.0], [0.75, 0.75, 1.0]])  # the middle of the middle, where edges are another picture's
EVEN = 12  # levels of 255 that a strip of one colour keeps within, recompressed
PLAIN = 0.2  # a square with less of the picture's contrast shows too little to be known by
WORTH_A_LOOK = 0.75  # correlation of squares from which on pictures are laid over each other
SURELY_WORTH = 0.86  # the same where pairs are many: of copies cropped to 0.6 of their sides the lowest was 0.89
SURELY = 0.984  # correlation: of copies as JPEGs of quality 20 the lowest was 0.989; of another drawing 0.978
OTHER_COLOURS = 0.06  # of white: colours that differ more, on the whole, are no copy's
NEARLY_ALL = 0.85  # of a picture that was compared
LOOKED_AT = 5  # pictures at most for each one, the nearest
KEPT = 8  # answers about whole folders: a search, a grid and its judging ask the same again


@dataclass(frozen=True)
class Sketch:
    """A picture, upright and small: `pixels` (H, W, 3) float32 in 0..1."""

    pixels: np.ndarray

    @cached_property
    def key(self) -> str:
        """A hash of what it shows."""
        return hashlib.sha256(f"{self.pixels.shape}".encode() + self.pixels.tobytes()).hexdigest()


@dataclass(frozen=True)
class Parts:
    """Parts of a picture as unit vectors (P, K), and frames (P, 2, 3) that take a square around 0 of side 1 to each."""

    vectors: np.ndarray
    frames: np.ndarray


@dataclass(frozen=True)
class Matches:
    """scores (N, M): how well a view of one is found in squares of another; frames (N, M, 2, 3) take it there."""

    scores: np.ndarray
    frames: np.ndarray


Laid = dict[tuple[int, int], Overlay]
_KNOWN: OrderedDict[tuple[tuple[str, ...], tuple[str, ...]], Laid] = OrderedDict()


def sketch(path: Path) -> Sketch:
    """The sketch of a picture file, as `load_picture` reads it. Raises UnreadablePictureError."""
    return sketch_of(load_picture(path, least=4 * SHORT))


def sketch_of(picture: Image.Image) -> Sketch:
    """The same of a picture that is open and upright."""
    picture = _without_margin(picture)
    scale = SHORT / min(picture.size)
    width, height = (min(round(LONGEST * SHORT), max(SHORT, round(side * scale))) for side in picture.size)
    small = picture.resize((width, height), Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    return Sketch(np.asarray(small, dtype=np.float32) / 255)


def _without_margin(picture: Image.Image) -> Image.Image:
    """Without the plain strips of one colour at its edges, which padding leaves; whole where little would remain."""
    low = np.asarray(picture.resize((SHORT, SHORT), Image.Resampling.NEAREST), dtype=float)
    left, right = _margin(low.transpose(1, 0, 2))
    top, bottom = _margin(low)
    if not (left or right or top or bottom) or min(SHORT - left - right, SHORT - top - bottom) < SHORT / 2:
        return picture
    width, height = picture.width / SHORT, picture.height / SHORT
    return picture.crop(
        (round(left * width), round(top * height), round((SHORT - right) * width), round((SHORT - bottom) * height))
    )


def _margin(lines: np.ndarray) -> tuple[int, int]:
    """How many lines (N, W, 3) at the beginning and at the end are plain and of one colour."""
    plain = (lines.max(1) - lines.min(1)).max(-1) <= EVEN
    ends: list[int] = []
    for order in (slice(None), slice(None, None, -1)):
        ordered = lines[order].mean(1)
        also = plain[order] & (abs(ordered - ordered[0]).max(-1) <= EVEN)
        count = int(also.argmin()) if not also.all() else 0
        ends.append(count + 1 if count else 0)
    return ends[0], ends[1]


def views_of(one: Sketch) -> Parts:
    """The middle of a sketch, as it is, turned and mirrored, and the whole squeezed into a square."""
    height, width = one.pixels.shape[:2]
    frames = [_turned(width, height, turn) for turn in TURNS]
    frames.append(frames[TURNS.index(0.0)] * INNER)
    if width != height:
        frames.append(_whole(width, height))
    frames += [frame * np.array([[-1, 1, 1], [-1, 1, 1]]) for frame in frames]
    grid = (np.arange(COARSE * FINER) + 0.5) / (COARSE * FINER) - 0.5
    points = np.stack([*np.meshgrid(grid, grid), np.ones((len(grid), len(grid)))]).reshape(3, -1)
    stacked = np.array(frames)
    at = np.floor(stacked @ points).astype(int)  # (V, 2, N)
    found = one.pixels[at[:, 1].clip(0, height - 1), at[:, 0].clip(0, width - 1)]
    found = found.reshape(len(stacked), COARSE, FINER, COARSE, FINER, 3).mean((2, 4))
    return Parts(_unit(found, one.pixels), stacked)


def squares_of(one: Sketch) -> Parts:
    """All squares of a sketch: at every scale, with a tenth of their side between one and the next; and the whole."""
    pixels = one.pixels
    height, width = pixels.shape[:2]
    vectors: list[np.ndarray] = []
    frames: list[np.ndarray] = []
    sizes = [(side, side) for side in (scale * SHORT for scale in SCALES)]
    for wide, high in [*sizes, *([(float(width), float(height))] if width != height else [])]:
        tops, lefts = _starts(height, high), _starts(width, wide)
        found = _averages(pixels, tops, high)  # (T, h, W, 3)
        found = _averages(found.transpose(2, 0, 1, 3), lefts, wide)  # (L, w, T, h, 3)
        vectors.append(found.transpose(2, 0, 3, 1, 4).reshape(-1, COARSE, COARSE, 3))
        frames += [np.array([[wide, 0, left + wide / 2], [0, high, top + high / 2]]) for top in tops for left in lefts]
    return Parts(_unit(np.concatenate(vectors), one.pixels), np.array(frames))


def same_pictures(ones: Sequence[Sketch], others: Sequence[Sketch]) -> list[tuple[int, int]]:
    """The pairs (index in `ones`, index in `others`) that are one picture: each with those that are most like it."""
    return [pair for pair, found in laid_over(ones, others).items() if found.same]


def laid_over(ones: Sequence[Sketch], others: Sequence[Sketch]) -> Laid:
    """How the pairs (index in `ones`, in `others`) that are worth a look agree where they are laid over each other."""
    asked = tuple(one.key for one in ones), tuple(other.key for other in others)
    if asked not in _KNOWN:
        _KNOWN[asked] = _laid_over(ones, others) if ones and others else {}
        while len(_KNOWN) > KEPT:
            _KNOWN.popitem(last=False)
    return dict(_KNOWN[asked])


def _laid_over(ones: Sequence[Sketch], others: Sequence[Sketch]) -> Laid:
    there = _matches(ones, others)
    back = there if ones is others else _matches(others, ones)
    best = np.maximum(there.scores, back.scores.T)
    found: Laid = {}
    for at, row in enumerate(best):
        for beside in map(int, np.argsort(-row)[:LOOKED_AT]):
            if row[beside] >= WORTH_A_LOOK:
                # Which is laid over which makes no difference: both are tried.
                known = found.get((beside, at)) if ones is others else None
                found[at, beside] = known or _best_overlay(ones, others, there, back, at, beside)
    return found


def is_same(one: Sketch, other: Sketch, parts: tuple[Parts, Parts, Parts, Parts]) -> bool:
    """Whether two pictures are one, where who asks has made their parts: `one`'s views and squares, then `other`'s."""
    views, squares, other_views, other_squares = parts
    there, back = _match(views, other_squares), _match(other_views, squares)
    if max(there[0], back[0]) < SURELY_WORTH:
        return False
    first, second = sorted(
        [(there[0], one, other, there[1]), (back[0], other, one, back[1])], key=lambda each: -each[0]
    )
    laid = _laid(first)
    # Where nearly all of one is in the other, the way back has nothing to add.
    if not laid.same and laid.shared < NEARLY_ALL:
        laid = _laid(second)
    return laid.same and laid.correlation >= SURELY and laid.tint <= OTHER_COLOURS


def _match(views: Parts, squares: Parts) -> tuple[float, np.ndarray]:
    """How well a view is found in the best of the squares, and the frame (2, 3) that takes it there."""
    alike = views.vectors @ squares.vectors.T
    view, square = np.unravel_index(int(alike.argmax()), alike.shape)
    return float(alike[view, square]), _between(views.frames[view], squares.frames[square])


def _best_overlay(
    ones: Sequence[Sketch], others: Sequence[Sketch], there: Matches, back: Matches, at: int, beside: int
) -> Overlay:
    return _laid(
        (there.scores[at, beside], ones[at], others[beside], there.frames[at, beside]),
        (back.scores[beside, at], others[beside], ones[at], back.frames[beside, at]),
    )


def _laid(*tries: tuple[float, Sketch, Sketch, np.ndarray]) -> Overlay:
    """As one is laid over the other, and only where they are then not the same, as the other over the one."""
    found = NOTHING
    for _, one, other, frame in sorted(tries, key=lambda each: -each[0]):
        laid = overlay(one.pixels, other.pixels, frame)
        found = max(found, laid, key=lambda each: (each.same, each.correlation))
        if found.same:
            break
    return found


def _matches(ones: Sequence[Sketch], others: Sequence[Sketch]) -> Matches:
    """Where the views of each one are found among the squares of each other."""
    views = [views_of(one) for one in ones]
    stacked = np.concatenate([view.vectors for view in views])
    starts = np.cumsum([0, *(len(view.vectors) for view in views)])[:-1]
    scores = np.zeros((len(ones), len(others)))
    frames = np.zeros((len(ones), len(others), 2, 3))
    for beside, other in enumerate(others):
        squares = squares_of(other)
        alike = stacked @ squares.vectors.T
        best = alike.max(1)
        for at, (start, view) in enumerate(zip(starts, views, strict=True)):
            row = start + int(best[start : start + len(view.vectors)].argmax())
            scores[at, beside] = best[row]
            if best[row] >= WORTH_A_LOOK:
                frames[at, beside] = _between(view.frames[row - start], squares.frames[int(alike[row].argmax())])
    return Matches(scores, frames)


def _between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """What takes `start`'s pixels to `end`'s, (2, 3), of frames that take the unit square to each."""
    last = np.array([[0.0, 0.0, 1.0]])
    return (np.concatenate([end, last]) @ np.linalg.inv(np.concatenate([start, last])))[:2]


def _turned(width: int, height: int, degrees: float) -> np.ndarray:
    """The frame of the largest square in the middle that lies turned in a picture."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    side = min(width, height) / (abs(cos) + abs(sin))
    return np.array([[side * cos, -side * sin, width / 2], [side * sin, side * cos, height / 2]])


def _whole(width: int, height: int) -> np.ndarray:
    return np.array([[width, 0, width / 2], [0, height, height / 2]])


def _starts(whole: int, side: float) -> np.ndarray:
    """Where squares of a side begin, from edge to edge."""
    return np.linspace(0, whole - side, 1 + int(np.ceil((whole - side) / (STEP * side) - 1e-9)))


def _averages(lines: np.ndarray, starts: np.ndarray, side: float) -> np.ndarray:
    """(len(starts), COARSE, ...): lines (H, ...) averaged to those of the parts, `side` long, that begin at `starts`.

    By sums over the lines, and parts of lines at the edges: products of small matrices keep threads busy with waiting.
    """
    sums = np.zeros((len(lines) + 1, *lines.shape[1:]))
    np.cumsum(lines, axis=0, dtype=float, out=sums[1:])
    edges = (starts[:, None] + np.arange(COARSE + 1) * (side / COARSE)).clip(0, len(lines))
    low = np.minimum(edges.astype(int), len(lines) - 1)
    past = (edges - low).reshape(*low.shape, *[1] * (lines.ndim - 1))
    return np.diff(sums[low] + past * lines[low], axis=1) * (COARSE / side)


def _unit(parts: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Parts (P, h, w, 3) as vectors (P, K) without each colour's mean and of length 1; 0 for one that is plain."""
    flat = (parts - parts.mean((1, 2), keepdims=True)).reshape(len(parts), -1).astype(np.float32)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    contrast = float(pixels.std((0, 1)).max()) * np.sqrt(flat.shape[1])
    return np.where(length > max(PLAIN * contrast, 1e-6), flat / np.maximum(length, 1e-9), 0).astype(np.float32)
