"""A mark is what pictures share in a corner, and not what the people in them do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from base_models.vision.face_model import FaceReading
from foundation.progress import Silent
from trainer.checking.measures.background import backdrop_of
from trainer.checking.measures.compression import jpeg_quality
from trainer.checking.measures.edges_of_picture import corners_of
from trainer.checking.measures.picture_measures import measure
from trainer.checking.request import NO_FACES, CheckRequest
from trainer.checking.rules.corner_marks import marked_corners
from trainer.checking.rules.quality_rules import quality_findings
from trainer.checking.whole.check import checked

SIDE, MANY = 96, 6


def ring(pixels: np.ndarray) -> None:
    """Hair: a ring about the head, whose upper left reaches into the corner."""
    down, across = np.indices(pixels.shape[:2])
    away = np.hypot(down - 30, across - 30)
    pixels[(away < 27) & (away > 22)] = (60, 30, 20)


def letters(pixels: np.ndarray) -> None:
    """A mark in the corner's own edge."""
    for at in range(1, 28, 4):
        pixels[2:9, at : at + 2] = 255


@pytest.mark.parametrize(("drawn", "found"), [(ring, False), (letters, True)], ids=["hair", "letters"])
def test_hair_that_reaches_into_a_corner_is_no_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: Callable[[np.ndarray], None], found: bool
) -> None:
    folder = tmp_path / "set" / "5_ohwx person"
    folder.mkdir(parents=True)
    for number in range(MANY):
        pixels = np.full((SIDE, SIDE, 3), (30 + 30 * number, 200 - 25 * number, 90), dtype=np.uint8)
        drawn(pixels)
        Image.fromarray(pixels).save(folder / f"{number}.png")

    def read(pixels: np.ndarray) -> FaceReading:
        corners = [15.0, 16.0, 45.0, 50.0] if drawn is ring else [50.0, 40.0, 70.0, 60.0]
        return FaceReading(1, np.eye(4)[0], 0.9, box=np.array(corners))

    seen: list[object] = []
    monkeypatch.setattr("trainer.checking.whole.check.findings_of", lambda one, phrases: seen.append(one) or ())
    checked(CheckRequest(tmp_path / "set", faces=NO_FACES, resolution=SIDE, cache=tmp_path / "cache"), Silent())
    (evidence,) = seen
    data = evidence.config.data  # pyright: ignore[reportAttributeAccessIssue]
    pictures = tuple(
        replace(one, measured=measure(one.path, "", data, read).measured)
        for one in evidence.pictures  # pyright: ignore[reportAttributeAccessIssue]
    )
    asked = replace(evidence, pictures=pictures, has_faces=True)  # pyright: ignore[reportArgumentType]
    assert ("watermark" in {one.rule for one in quality_findings(asked)}) == found


@pytest.mark.parametrize("quality", [1, 3, 5, 10, 25, 50, 75, 95, 100])
def test_a_jpegs_quality_is_told_within_one_also_where_steps_are_cut_off(tmp_path: Path, quality: int) -> None:
    path = tmp_path / "one.jpg"
    Image.new("RGB", (16, 16), (9, 90, 200)).save(path, quality=quality)
    with Image.open(path) as opened:
        assert jpeg_quality(opened.quantization) == pytest.approx(quality, abs=1)  # pyright: ignore[reportAttributeAccessIssue]


GROUNDS = (20, 240, 90, 250, 40, 150, 200, 60)  # levels of 255: black, white and between


def corners_and_backdrops(pictures: list[np.ndarray], heads: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    corners = np.array([corners_of(one.mean(-1).astype(np.float32) / 255) for one in pictures])
    x0, y0, x1, y1 = heads.T
    boxes = list(zip(x0.tolist(), y0.tolist(), x1.tolist(), y1.tolist(), strict=True))
    return corners, [backdrop_of(one, box) for one, box in zip(pictures, boxes, strict=True)]


def shadowed(pixels: np.ndarray) -> None:
    """White letters with a black shadow, at the upper right: on white the shadow alone is seen, on black they are."""
    for at in range(70, 94, 4):
        pixels[4:10, at + 1 : at + 3] = 0
        pixels[3:9, at : at + 2] = 255


def large_hair(pixels: np.ndarray, across: int, down: int) -> None:
    """A large head's hair, as wide as the picture nearly, with curls that reach into the corners."""
    rows, columns = np.indices(pixels.shape[:2])
    angle = np.arctan2(rows - down, columns - across)
    away = np.hypot(rows - down, columns - across) - 3 * np.cos(9 * angle)
    pixels[(away < 47) & (away > 38)] = (60, 30, 20)


@pytest.mark.parametrize(
    ("marked", "move", "found"),
    [(True, 0, False), (True, 5, True), (False, 5, False), (False, 0, False)],
    ids=["a mark upon heads in one place", "a mark upon heads that move", "hair that moves", "hair in one place"],
)
def test_what_lies_upon_people_is_a_mark_where_their_heads_move_and_it_does_not(
    marked: bool, move: int, found: bool
) -> None:
    pictures, heads = [], []
    for at, ground in enumerate(GROUNDS):
        across, down = 48, 52 + move * (at % 4 - 1)
        pixels = np.full((SIDE, SIDE, 3), ground, dtype=np.uint8)
        large_hair(pixels, across, down)
        if marked:
            shadowed(pixels)
        pictures.append(pixels)
        heads.append([(across - 23) / SIDE, (down - 34) / SIDE, (across + 23) / SIDE, (down + 30) / SIDE])
    corners, backdrops = corners_and_backdrops(pictures, np.array(heads))
    names = [name for name, _ in marked_corners(corners, backdrops, np.array(heads), 4)]
    assert names == (["upper right"] if found else [])


def test_a_mark_with_a_shadow_is_one_mark_on_black_and_on_white() -> None:
    rng = np.random.default_rng(1)
    pictures = []
    for ground in GROUNDS:
        pixels = np.full((SIDE, SIDE, 3), ground, dtype=np.uint8)
        shadowed(pixels)
        pixels[40:80, 30:66] = rng.integers(0, 255, 3)
        pictures.append(pixels)
    heads = np.tile([0.4, 0.55, 0.6, 0.8], (len(pictures), 1))
    corners, backdrops = corners_and_backdrops(pictures, heads)
    assert list(marked_corners(corners, backdrops, heads, 6)) == [("upper right", [*range(len(GROUNDS))])]
    assert not list(marked_corners(corners, backdrops, heads, len(GROUNDS) + 1))


def test_many_pictures_are_compared_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    details = rng.random((40, 480)).astype(np.float32) * 0.1
    details[[3, 17, 30, 38]] = details[3] + rng.random((4, 480)) * 0.01
    corners = np.stack([details, *(np.zeros_like(details),) * 3], 1)
    backdrops = list(rng.random((40, 12, 12, 3)).astype(np.float32))
    nobody = np.full((40, 4), np.nan)
    for rows in (256, 7):
        monkeypatch.setattr("trainer.checking.rules.corner_marks.ROWS", rows)
        assert list(marked_corners(corners, backdrops, nobody, 4)) == [("upper left", [3, 17, 30, 38])]
