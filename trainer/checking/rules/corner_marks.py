"""Marks in the corners of pictures: the same fine detail at the same place of pictures that are otherwise others.

Three ways, each for what the others miss. The whole corner alike, nearly to the same strength, where most of it lies
beside the person: small marks in corners that people fill. The whole corner alike though heads stand elsewhere in each
picture: large heads, whose hair would have moved with them. And what lies outside the person alone, alike as strokes
are whose strength the ground changes: a white mark with a dark shadow shows its shadow on white, and itself on black.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from foundation.wording.said import say
from trainer.checking.measures.edges_of_picture import CORNER, MARK

CORNERS = (say("upper left"), say("upper right"), say("lower left"), say("lower right"))
UPPER = 2  # so many of them, the first ones
FAINTEST = 0.012  # of white: with less detail there is nothing in a corner
WHOLE_ALIKE = 0.8  # correlation of the fine detail of two whole corners
BESIDE_ALIKE = 0.6  # of what lies outside the people of both, drawn level
BESIDE_BOTH = 0.35  # of a corner that has to lie outside the people of both
LEVEL = 0.5  # the power that draws strong and faint strokes nearer to each other
MOVED_ALIKE = 0.75  # the same where heads move: what is on people would change with them
HEADS_APART = 0.04  # of the side: in the median, how far the edge of a head's box that moves most does
OTHER_PICTURES = 0.05  # of white: how far the backgrounds of marked pictures are apart at least
MOST_CORNERS = 2  # what all corners share is how the pictures are composed
ROWS = 256  # pictures that are compared with all others at once, so that thousands need no large memory


def marked_corners(
    corners: np.ndarray, backdrops: Sequence[np.ndarray], heads: np.ndarray, fewest: float
) -> Iterator[tuple[str, list[int]]]:
    """Of each corner with a mark its name, and the numbers of the pictures that bear it, at least `fewest`.

    `corners` (N, 4, K): `edges_of_picture.corners_of`; `backdrops`: `background.backdrop_of`, NaN where a person is;
    `heads` (N, 4): the boxes of their faces in shares of the picture, NaN where none is known.
    """
    known = np.asarray(np.isfinite(heads).all(1))
    # Of people whose face is not seen, as of one who lies on the side, nobody knows what of a corner is theirs.
    told = known if known.any() else ~known
    groups: list[list[int]] = []
    for at in range(len(CORNERS)):
        free = np.array([_free_of_people(one, at) for one in backdrops])
        found = [_whole(corners[:, at], free, backdrops, at), _beside(corners[:, at], free & told[:, None])]
        if at < UPPER:
            found.append(_though_heads_move(corners[:, at], heads))
        fit = [group for group in found if len(group) >= fewest and _are_other_pictures(group, backdrops)]
        groups.append(max(fit, key=len, default=list[int]()))
    if sum(map(bool, groups)) <= MOST_CORNERS:
        yield from ((name, group) for name, group in zip(CORNERS, groups, strict=True) if group)


def _free_of_people(backdrop: np.ndarray, corner: int) -> np.ndarray:
    """(K,) bool: which places of a corner lie outside the person; none, where it is not known where one stands."""
    if not backdrop.size:
        return np.zeros(MARK, dtype=bool).ravel()
    free, sides = np.asarray(np.isfinite(backdrop).all(-1)), (backdrop.shape[0], backdrop.shape[1])
    down, across = (
        (np.arange(count) * share * side / count).astype(int)
        for count, share, side in zip(MARK, CORNER, sides, strict=True)
    )
    down = sides[0] - 1 - down[::-1] if corner >= 2 else down
    across = sides[1] - 1 - across[::-1] if corner % 2 else across
    return free[np.ix_(down, across)].ravel()


def _whole(details: np.ndarray, free: np.ndarray, backdrops: Sequence[np.ndarray], corner: int) -> list[int]:
    """The largest group by whole corners (N, K), of pictures whose outermost place is free: clothes are alike, too.

    In one of them most of the detail has to lie outside the person: what lies upon people in all of them, as hair does
    that reaches into the corner, is theirs.
    """
    row, column = -1 if corner >= 2 else 0, -1 if corner % 2 else 0
    outermost = np.array([one.size > 0 and bool(np.isfinite(one[row, column]).all()) for one in backdrops])
    group = _largest(details, np.broadcast_to(outermost[:, None], details.shape), WHOLE_ALIKE)
    strength = np.square(details[group])
    return group if bool(((strength * free[group]).sum(1) > 0.5 * strength.sum(1)).any()) else []


def _though_heads_move(details: np.ndarray, heads: np.ndarray) -> list[int]:
    """The largest group by whole corners (N, K), where the pictures' heads (N, 4) stand apart: upper corners alone.

    Clothes fill the lower ones, and shoulders that the picture cuts off stay where they are when a head moves.
    """
    known = np.asarray(np.isfinite(heads).all(1))
    group = _largest(details, np.broadcast_to(known[:, None], details.shape), MOVED_ALIKE)
    moved = np.abs(heads[group][:, None] - heads[group][None]).max(-1)[np.triu_indices(len(group), 1)]
    return group if moved.size and float(np.median(moved)) >= HEADS_APART else []


def _beside(details: np.ndarray, free: np.ndarray) -> list[int]:
    """The largest group by what lies outside the people."""
    seen = np.where(free, details, 0.0)
    count = np.maximum(free.sum(1), 1)
    deviation = np.sqrt(np.maximum(np.square(seen).sum(1) / count - np.square(seen.sum(1) / count), 0.0))
    strong = np.flatnonzero(deviation > FAINTEST)
    group = _largest(np.power(details[strong], LEVEL), free[strong], BESIDE_ALIKE, faintest=0.0)
    return [int(at) for at in strong[group]]


def _largest(details: np.ndarray, mask: np.ndarray, alike: float, faintest: float = FAINTEST) -> list[int]:
    """The picture that most others are like, and those: by correlation over what the masks (N, K) of both leave."""
    own = np.where(mask, details, 0.0).astype(np.float64)
    strong = np.flatnonzero(own.std(1) > faintest)
    if not len(strong):
        return []
    own, kept = own[strong], mask[strong].astype(np.float64)
    best: np.ndarray = np.array([], dtype=np.intp)
    for begin in range(0, len(strong), ROWS):
        part = slice(begin, begin + ROWS)
        like = _correlations(own[part], kept[part], own, kept) > alike
        most = int(like.sum(1).argmax())
        if like[most].sum() > len(best):
            best = np.flatnonzero(like[most])
    return [int(at) for at in strong[best]]


def _correlations(some: np.ndarray, of_some: np.ndarray, all_: np.ndarray, of_all: np.ndarray) -> np.ndarray:
    """(M, N) correlations of rows over the places that both keep (they are 0 elsewhere); -1 with too few of them."""
    count = np.maximum(of_some @ of_all.T, 1.0)
    mean_some, mean_all = some @ of_all.T / count, of_some @ all_.T / count
    spread_some = np.square(some) @ of_all.T / count - np.square(mean_some)
    spread_all = of_some @ np.square(all_).T / count - np.square(mean_all)
    both = np.sqrt(np.maximum(spread_some, 0.0) * np.maximum(spread_all, 0.0))
    together = some @ all_.T / count - mean_some * mean_all
    enough = (count >= BESIDE_BOTH * some.shape[1]) & (both > 0.0)
    return np.where(enough, together / np.where(both > 0.0, both, 1.0), -1.0)


def _are_other_pictures(group: Sequence[int], backdrops: Sequence[np.ndarray]) -> bool:
    """Pictures of one room share what stands in its corner: only where the rest differs is it a mark."""
    seen = np.array([backdrops[at].ravel() for at in group])
    shared = np.isfinite(seen).all(0)
    return bool(shared.any()) and float(seen[:, shared].std(0).mean()) > OTHER_PICTURES
