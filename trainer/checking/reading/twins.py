"""Which pictures of a set are one picture: the same bytes, or a changed copy. All of them, also where they are many.

`base_models.pictures.near_duplicates` knows a copy, but lays every picture over every other. Here coarser views choose
the few pairs that are worth that.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from base_models.pictures.near_duplicates import Parts, Sketch, is_same, squares_of, views_of
from foundation.progress import Reporter
from foundation.typed.json_values import is_list, parse_json
from trainer.checking.evidence import Looked, Twins
from trainer.checking.reading.kept_values import KeptValues
from trainer.checking.reading.packed import unpacked_array
from trainer.checking.settings import Role

VERSION = 1
COARSE = 5  # squares of a view, along each side
SCALES = (1.0, 0.84, 0.7, 0.6, 0.5)  # of the shorter side, of the squares that a view is looked for in
STEP = 0.15  # between squares, by their side
WORTH = 0.84  # how alike the coarse views of a copy are at least: of copies cropped to 0.6 of their sides 0.87
MOST_PARTNERS = 2  # pictures at most that one is laid over, the most alike
THREADS = 2
KNOWN = 48  # pictures whose parts are held
PLAIN = 1e-3
SAME, OTHER = "same", "other"

Sketches = Callable[[Sequence[int]], list[Sketch]]


@dataclass(frozen=True)
class _Asked:
    """Pictures, by their numbers in the whole: each of `ones` with each of `others`, `closely` also with its parts."""

    ones: list[int]
    others: list[int]
    closely: bool


def twins_among(
    pictures: Sequence[Looked], keys: Sequence[str], kept: KeptValues, most: int, reporter: Reporter
) -> tuple[Twins, ...]:
    """The pairs, the earlier picture first. A group of copies is told by pairs with its first alone.

    Up to `most` train pictures, copies that show a part of another are found; of more, copies of the whole alone, as
    always of reg pictures among themselves.
    """
    same = _by_bytes(pictures)
    distinct = [at for at, one in enumerate(pictures) if one.is_readable and at not in {pair.other for pair in same}]
    name = hashlib.sha256(
        f"twins {VERSION} {most} {[(pictures[at].role, keys[at]) for at in distinct]}".encode()
    ).hexdigest()
    near = _kept_pairs(kept, name)
    if near is None:
        near = [
            (distinct.index(one), distinct.index(other))
            for one, other in _near(pictures, distinct, keys, kept, most, reporter)
        ]
        kept.keep_answers({name: json.dumps(near)})
    found = _first_of_each(sorted({(distinct[one], distinct[other]) for one, other in near}))
    return tuple(sorted([*same, *found], key=lambda pair: (pair.one, pair.other)))


def _by_bytes(pictures: Sequence[Looked]) -> list[Twins]:
    first: dict[str, int] = {}
    found: list[Twins] = []
    for at, one in enumerate(pictures):
        if not one.is_readable:
            continue
        earlier = first.setdefault(one.measured.sha256, at)
        if earlier != at:
            found.append(Twins(earlier, at, same=True))
    return found


def _kept_pairs(kept: KeptValues, name: str) -> list[tuple[int, int]] | None:
    text = kept.answer(name)
    if text is None:
        return None
    read = parse_json(text)
    return [(int(str(pair[0])), int(str(pair[1]))) for pair in read if is_list(pair)] if is_list(read) else None


def _first_of_each(pairs: Sequence[tuple[int, int]]) -> list[Twins]:
    """Of three copies, the second and the third are each told as the first's."""
    group: dict[int, int] = {}
    found: list[Twins] = []
    for one, other in pairs:
        low = group.get(one, one)
        if group.get(other, other) == low:
            continue
        group[other] = low
        found.append(Twins(low, other, same=False))
    return found


def _near(
    pictures: Sequence[Looked],
    distinct: list[int],
    keys: Sequence[str],
    kept: KeptValues,
    most: int,
    reporter: Reporter,
) -> list[tuple[int, int]]:
    own = [at for at in distinct if pictures[at].role != Role.REG]
    reg = [at for at in distinct if pictures[at].role == Role.REG]
    closely = len(own) <= most
    asked = [_Asked(own, own, closely), _Asked(own, reg, closely and len(reg) <= 4 * most), _Asked(reg, reg, False)]

    def sketches(places: Sequence[int]) -> list[Sketch]:
        found = kept.sketches([keys[at] for at in places])
        return [Sketch(unpacked_array(found.get(keys[at], b"")).astype(np.float32) / 255) for at in places]

    pairs: set[tuple[int, int]] = set()
    for one in asked:
        if one.ones and one.others:
            pairs |= set(_candidates(one, sketches, reporter))
    named = {_pair_name(keys[pair[0]], keys[pair[1]]): pair for pair in sorted(pairs)}
    known = kept.answers(list(named))
    left = {name: pair for name, pair in named.items() if name not in known}
    looked = dict(zip(left, _looked_at(list(left.values()), sketches, reporter), strict=True))
    kept.keep_answers({name: SAME if same else OTHER for name, same in looked.items()})
    return [pair for name, pair in named.items() if known.get(name) == SAME or looked.get(name)]


def _candidates(asked: _Asked, sketches: Sketches, reporter: Reporter) -> list[tuple[int, int]]:
    """The pairs that are worth a closer look: each picture's most alike, by views of it in squares of the others."""
    views = [_views(one) for one in _in_parts(asked.ones, sketches)]
    stacked = np.concatenate(views)
    count = len(views[0])
    best = np.zeros((len(asked.ones), len(asked.others)), dtype=np.float32)
    advance = reporter.task("looking for copies", len(asked.others))
    for beside, other in enumerate(_in_parts(asked.others, sketches)):
        alike = stacked @ _squares(other, asked.closely).T
        best[:, beside] = alike.max(1).reshape(-1, count).max(1)
        advance(1)
    return [pair for at, row in enumerate(best) for pair in _worth(asked, at, row)]


def _worth(asked: _Asked, at: int, row: np.ndarray) -> list[tuple[int, int]]:
    one = asked.ones[at]
    best = [asked.others[int(beside)] for beside in np.argsort(-row)[: MOST_PARTNERS + 1] if row[beside] >= WORTH]
    return [(min(one, other), max(one, other)) for other in best if other != one][:MOST_PARTNERS]


def _in_parts(places: Sequence[int], sketches: Sketches) -> list[np.ndarray]:
    """The pixels of each, small: they are looked at coarsely."""
    found: list[np.ndarray] = []
    for start in range(0, len(places), 256):
        found += [_small(one.pixels) for one in sketches(places[start : start + 256])]
    return found


def _small(pixels: np.ndarray) -> np.ndarray:
    if not pixels.size:
        return np.zeros((40, 40, 3), dtype=np.float32)
    scale = 40 / min(pixels.shape[:2])
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _views(pixels: np.ndarray) -> np.ndarray:
    """(6, K): the middle, its middle and the whole squeezed, each as it is and mirrored."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[top : top + side, left : left + side]
    edge = side // 8
    cuts = [square, square[edge : side - edge, edge : side - edge], pixels]
    return _unit([cut for one in cuts for cut in (one, one[:, ::-1])])


def _squares(pixels: np.ndarray, closely: bool) -> np.ndarray:
    """(S, K): the squares of a picture at every scale, or its middle and the whole alone."""
    height, width = pixels.shape[:2]
    short, cuts = min(height, width), [pixels]
    for scale in SCALES if closely else (1.0, 0.75):
        side = round(short * scale)
        if closely:
            tops, lefts = _starts(height, side), _starts(width, side)
        else:
            tops, lefts = [(height - side) // 2], [(width - side) // 2]
        cuts += [pixels[top : top + side, left : left + side] for top in tops for left in lefts]
    return _unit(cuts)


def _starts(whole: int, side: int) -> list[int]:
    count = 1 + int(np.ceil((whole - side) / (STEP * side) - 1e-9))
    return [round(float(one)) for one in np.linspace(0, whole - side, count)]


def _unit(cuts: Sequence[np.ndarray]) -> np.ndarray:
    small = np.array(
        [cv2.resize(np.ascontiguousarray(cut), (COARSE, COARSE), interpolation=cv2.INTER_AREA) for cut in cuts]
    )
    flat = (small - small.mean((1, 2), keepdims=True)).reshape(len(cuts), -1)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > PLAIN, flat / np.maximum(length, PLAIN), 0).astype(np.float32)


def _pair_name(one: str, other: str) -> str:
    return f"pair {VERSION} {' '.join(sorted((one, other)))}"


def _looked_at(pairs: Sequence[tuple[int, int]], sketches: Sketches, reporter: Reporter) -> list[bool]:
    """Of each pair, whether it is one picture, laid over each other; parts are made once for pairs that follow."""
    advance = reporter.task("comparing pictures closely", len(pairs))
    known = _Known(sketches)

    def is_copy(pair: tuple[int, int]) -> bool:
        one, views, squares = known.parts_of(pair[0])
        other, its_views, its_squares = known.parts_of(pair[1])
        return is_same(one, other, (views, squares, its_views, its_squares))

    found: list[bool] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for same in pool.map(is_copy, pairs):
            found.append(same)
            advance(1)
    return found


class _Known:
    """Sketches with their parts, of the pictures that were asked for of late."""

    def __init__(self, sketches: Sketches) -> None:
        self._sketches, self._lock = sketches, threading.Lock()
        self.parts_of = lru_cache(maxsize=KNOWN)(self._parts_of)

    def _parts_of(self, at: int) -> tuple[Sketch, Parts, Parts]:
        with self._lock:  # the kept values are asked by one thread at a time
            (one,) = self._sketches([at])
        return one, views_of(one), squares_of(one)
