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
from trainer.checking.measures.compression import jpeg_quality
from trainer.checking.measures.picture_measures import measure
from trainer.checking.request import NO_FACES, CheckRequest
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
