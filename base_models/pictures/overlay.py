"""Lays one picture over another to a fraction of a pixel (Lucas and Kanade 1981), and says how they agree there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from foundation.typed.untyped import untyped

ACROSS = 36  # points along the shorter side by which pictures are laid over each other
COMPARED = 48  # and those that are compared
PLACE = 5  # points along the side of a place
LIGHT = np.array([0.299, 0.587, 0.114])
BLURS = ((1.6, 7), (0.6, 7))  # in steps of that grid, and how often the place is bettered at each
EDGE = 2.0  # steps from any edge that are not compared: blurring mixes in what lies beyond
LEAST_SHARED = 0.1  # of a picture's points; with fewer there is nothing to compare
# A copy keeps these through the changes of docs/scoring.md; other pictures of one drawn person in one pose reach a
# correlation of 0.99, but then differ somewhere, in the mouth or the eyes.
ALIKE, UNLIKE, MOSTLY = 0.93, 0.35, 0.55
# JPEG leaves a little everywhere; what is left in one place only, at so many times the usual, is something else there.
NOTICED, LONE = 0.08, 300.0


@dataclass(frozen=True)
class Overlay:
    """`correlation` where both are; `shared`: how much of the smaller one that is; `worst`: what is left of any place.

    `lone`: what is left stands in one place alone, as where of two pictures one shows the eyes closed. `tint`: how far
    their mean colours are apart, light left out, of white.
    """

    correlation: float
    shared: float
    worst: float
    lone: bool
    tint: float = 0.0

    @property
    def same(self) -> bool:
        """Whether both are one picture: alike on the whole and nowhere unlike, and of one of them most is there."""
        return self.correlation >= ALIKE and self.worst <= UNLIKE and self.shared >= MOSTLY and not self.lone


NOTHING = Overlay(0.0, 0.0, 1.0, lone=True)


def overlay(one: np.ndarray, other: np.ndarray, frame: np.ndarray) -> Overlay:
    """How `one` (H, W, 3) agrees with `other`, laid where `frame` (2, 3) takes its pixels, bettered to fit best."""
    step = min(one.shape[:2]) / ACROSS
    points = _points(one.shape[0], one.shape[1], step)
    for blur, rounds in BLURS:
        mine = _at(_soft(one.mean(2), blur * step), points)
        theirs = _soft(other.mean(2), blur * step * _scale(frame))
        for _ in range(rounds):
            bettered = _bettered(mine, theirs, points, frame, EDGE * step * _scale(frame))
            if bettered is None:
                return NOTHING
            frame = bettered
    return _compared(one, other, frame)


def _compared(one: np.ndarray, other: np.ndarray, frame: np.ndarray) -> Overlay:
    step = min(one.shape[:2]) / COMPARED
    points = _points(one.shape[0], one.shape[1], step)
    placed, edge = _placed(points, frame), EDGE * step * _scale(frame)
    inside = _inside(placed, other.shape, edge)
    if inside.mean() < LEAST_SHARED:
        return NOTHING
    blur = BLURS[-1][0] * step
    mine = np.stack([_at(_soft(one[..., at], blur), points) for at in range(3)], -1)
    theirs = np.stack([_at(_soft(other[..., at], blur * _scale(frame)), placed) for at in range(3)], -1)
    covers = abs(np.linalg.det(frame[:, :2])) * step**2 / (other.shape[0] * other.shape[1])
    coloured, (worst, _) = _left_over(mine, theirs, inside)
    _, (peak, usual) = _left_over(mine @ LIGHT, theirs @ LIGHT, inside)
    return Overlay(
        correlation=coloured,
        shared=float(max(inside.mean(), inside.sum() * covers)),
        worst=worst,
        lone=peak > NOTICED and peak > LONE * usual,
        tint=_tint(mine[inside].mean(0), theirs[inside].mean(0)),
    )


def _tint(mine: np.ndarray, theirs: np.ndarray) -> float:
    """How far two colours (3,) are apart, whatever their light."""
    return float(np.abs((mine - mine.mean()) - (theirs - theirs.mean())).max())


def _left_over(mine: np.ndarray, theirs: np.ndarray, inside: np.ndarray) -> tuple[float, tuple[float, float]]:
    """The correlation (h, w[, 3]), and what of a place is left when they are taken from each other: most, and median.

    Brightness and contrast are free; 1 is as much as the picture varies on average.
    """
    levels = [(each.reshape(*inside.shape, -1) - each[inside].mean()) * inside[..., None] for each in (mine, theirs)]
    lengths = [float(np.sqrt((each**2).sum())) for each in levels]
    if min(lengths) <= 0:
        return 0.0, (1.0, 1.0)
    first, second = (each / length for each, length in zip(levels, lengths, strict=True))
    left = ((first - second) ** 2).sum(-1)
    local: np.ndarray = untyped(scipy.ndimage).uniform_filter(left, PLACE, mode="constant") * inside.sum()
    return float((first * second).sum()), (float(local.max()), float(np.median(local[inside])))


def _bettered(
    mine: np.ndarray, theirs: np.ndarray, points: np.ndarray, frame: np.ndarray, edge: float
) -> np.ndarray | None:
    """`frame` moved by one step of Gauss and Newton, brightness and contrast left free; None where they part."""
    placed = _placed(points, frame)
    inside = _inside(placed, theirs.shape, edge)
    if inside.mean() < LEAST_SHARED:
        return None
    down, right = np.gradient(theirs)
    x, y = points[:, inside]
    value, slope_x, slope_y = (_at(each, placed)[inside] for each in (theirs, right, down))
    known = np.stack(
        [slope_x * x, slope_x * y, slope_x, slope_y * x, slope_y * y, slope_y, -mine[inside], -np.ones(len(x))], 1
    )
    square = known.T @ known
    square[np.diag_indices(8)] *= 1 + 1e-6
    try:
        moved = np.linalg.solve(square, -known.T @ value)
    except np.linalg.LinAlgError:
        return None
    bettered = frame + moved[:6].reshape(2, 3)
    return bettered if np.isfinite(bettered).all() and abs(np.linalg.det(bettered[:, :2])) > 0.05 else None


def _points(height: int, width: int, step: float) -> np.ndarray:
    """(2, h, w) the places x, y that are compared, in pixels from the edge."""
    down, across = (np.arange((0.5 + EDGE) * step, whole - EDGE * step, step) for whole in (height, width))
    return np.stack(np.meshgrid(across, down))


def _placed(points: np.ndarray, frame: np.ndarray) -> np.ndarray:
    return np.einsum("ij,jhw->ihw", frame[:, :2], points) + frame[:, 2, None, None]


def _inside(placed: np.ndarray, shape: tuple[int, ...], edge: float) -> np.ndarray:
    x, y = placed
    return (x >= edge) & (y >= edge) & (x <= shape[1] - edge) & (y <= shape[0] - edge)


def _at(levels: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """Levels between pixels, whose middles lie half a pixel from their edges."""
    found: np.ndarray = untyped(scipy.ndimage).map_coordinates(levels, placed[::-1] - 0.5, order=1, mode="nearest")
    return found


def _soft(levels: np.ndarray, blur: float) -> np.ndarray:
    found: np.ndarray = untyped(scipy.ndimage).gaussian_filter(levels, blur, mode="nearest")
    return found


def _scale(frame: np.ndarray) -> float:
    return float(np.sqrt(abs(np.linalg.det(frame[:, :2]))))
