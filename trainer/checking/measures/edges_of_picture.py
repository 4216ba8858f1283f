"""What stands at a picture's edges: a frame of one colour, and the fine detail of its corners, where marks stand."""

from __future__ import annotations

import cv2
import numpy as np

EVEN = 10  # levels of 255 that a frame keeps within
STEP = 14  # levels by which the picture differs from its frame
ALONG = 0.9  # of the line where the frame ends
WIDEST = 0.3  # of the side
THINNEST = 2  # pixels
MIXED = 2  # pixels
SEEN = 256  # pixels of the side that frames are looked for at
CORNER = (0.12, 0.3)  # height and width of a corner, in shares
MARK = (12, 40)  # its height and width as it is compared


def frame_of(pixels: np.ndarray) -> str:
    """Which edges of a picture (H, W, 3) uint8 have a frame: "above and below", "at both sides", "all around", nothing.

    A frame is even, ends in a straight line across the whole picture, or, all around, in four that close, and stands
    on opposite edges in one colour: so a plain background is none.
    """
    height, width = pixels.shape[:2]
    rows = np.linspace(0, height - 1, min(SEEN, height), dtype=np.intp)
    columns = np.linspace(0, width - 1, min(SEEN, width), dtype=np.intp)
    low = pixels[rows][:, columns].astype(np.int16)
    found = [
        name for name, seen in (("above and below", low), ("at both sides", low.transpose(1, 0, 2))) if _is_framed(seen)
    ]
    return " and ".join(found) or ("all around" if _is_framed_around(low) else "")


def _is_framed_around(seen: np.ndarray) -> bool:
    """Whether all that differs from the even edges (H, W, 3) fills a rectangle to its four sides."""
    colour = seen[0].mean(0)
    away = np.abs(seen - colour).max(-1)
    other = away >= STEP
    if not other.any():
        return False
    inside = tuple(
        slice(int(lines[0]), int(lines[-1]) + 1)
        for lines in (np.flatnonzero(other.any(1)), np.flatnonzero(other.any(0)))
    )
    widths = [(part.start, side - part.stop, side) for part, side in zip(inside, seen.shape[:2], strict=True)]
    if any(not THINNEST <= wide <= WIDEST * side for before, after, side in widths for wide in (before, after)):
        return False
    beside = away.copy()
    # Scaling mixes a line and rings in the next ones, on either side of the frame's end.
    beside[tuple(slice(max(0, part.start - MIXED), part.stop + MIXED) for part in inside)] = 0
    within = other[inside][MIXED:-MIXED, MIXED:-MIXED]
    edges = (within[0], within[-1], within[:, 0], within[:, -1]) if within.size else ()
    return bool(edges) and float(beside.max()) <= EVEN and all(float(edge.mean()) >= ALONG for edge in edges)


def _is_framed(lines: np.ndarray) -> bool:
    first, last = _frame(lines), _frame(lines[::-1])
    if first is None or last is None:
        return False
    return bool(np.abs(first - last).max() <= EVEN)


def _frame(lines: np.ndarray) -> np.ndarray | None:
    """The colour (3,) of the frame at the beginning; None where there is none."""
    colour = lines[0].mean(0)
    even = np.abs(lines - colour).max((1, 2)) <= EVEN
    width = int(even.argmin()) if not even.all() else 0
    if width < THINNEST or width > WIDEST * len(lines):
        return None
    beyond = lines[min(width + 1, len(lines) - 1)]  # a line further: scaling mixes one
    return colour if (np.abs(beyond - colour).max(-1) >= STEP).mean() >= ALONG else None


def corners_of(levels: np.ndarray) -> np.ndarray:
    """(4, K) float32: how much fine detail each corner of levels (H, W) in 0..1 has where, in one size.

    A mark is lighter than one ground and darker than another, so its sign does not count.
    """
    height, width = levels.shape
    high, wide = max(4, round(CORNER[0] * height)), max(4, round(CORNER[1] * width))
    fine = levels - cv2.GaussianBlur(levels, (0, 0), max(1.0, high / 8))
    found = [
        cv2.resize(np.abs(part), MARK[::-1], interpolation=cv2.INTER_AREA).ravel()
        for part in (fine[:high, :wide], fine[:high, -wide:], fine[-high:, :wide], fine[-high:, -wide:])
    ]
    return np.array(found, dtype=np.float32)
