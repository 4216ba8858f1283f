"""Copies of a picture are known however they were changed; other pictures of one person are not taken for copies."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from base_models.pictures.near_duplicates import same_pictures, sketch, sketch_of
from drawn_people import draw
from miniature.paths import SUBJECT as FOLDER
from miniature.recipe.subject import SUBJECT

SIDEWAYS = 6  # EXIF's number for a picture that is to be turned by 90 degrees to the right


def _photograph(seed: int) -> Image.Image:
    """Structure of all sizes and soft colours, as photographs have."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(320)[:, None], np.fft.fftfreq(240)[None])
    frequency[0, 0] = 1
    layers = [np.fft.ifft2(np.fft.fft2(rng.normal(size=(320, 240))) / frequency**1.3).real for _ in range(4)]
    shared, *own = (layer / layer.std() for layer in layers)
    levels = 128 + 48 * np.stack([shared + 0.5 * each for each in own], -1)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def _jpeg(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=60)
    return Image.open(file).convert("RGB")


def _cropped(picture: Image.Image, share: float) -> Image.Image:
    width, height = (round(side * share) for side in picture.size)
    left, top = (picture.width - width) // 3, (picture.height - height) // 4
    return picture.crop((left, top, left + width, top + height))


def _padded(picture: Image.Image, share: float = 0.1) -> Image.Image:
    width, height = (round(side * share) for side in picture.size)
    return ImageOps.expand(picture, (width, height), fill=(255, 255, 255))


def _turned(picture: Image.Image, degrees: float) -> Image.Image:
    return picture.rotate(degrees, Image.Resampling.BICUBIC)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG 60": _jpeg,
    "resized": lambda one: one.resize((one.width * 3 // 2, one.height * 3 // 2)),
    "stretched": lambda one: one.resize((one.width * 5 // 4, one.height)),
    "brightened": lambda one: ImageEnhance.Brightness(one).enhance(1.25),
    "mirrored": ImageOps.mirror,
    "turned by 90": lambda one: one.rotate(90, expand=True),
    "turned by 5": lambda one: _turned(one, 5),
    "turned by 10": lambda one: _turned(one, -10),
    "padded": _padded,
    "cropped to 80 %": lambda one: _cropped(one, 0.8),
    "cropped to 60 %": lambda one: _cropped(one, 0.6),
    "cropped, mirrored, JPEG": lambda one: _jpeg(ImageOps.mirror(_cropped(one, 0.8))),
    "turned, brightened, JPEG": lambda one: _jpeg(ImageEnhance.Brightness(_turned(one, 5)).enhance(1.2)),
    "cropped and padded": lambda one: _padded(_cropped(one, 0.8)),
    "turned and cropped": lambda one: _cropped(_turned(one, 5), 0.6),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_known(change: str) -> None:
    pictures = [_photograph(seed) for seed in range(4)]
    copies = [sketch_of(CHANGES[change](picture)) for picture in pictures]
    assert same_pictures(copies, [sketch_of(picture) for picture in pictures]) == [(at, at) for at in range(4)]


@pytest.mark.parametrize("change", ["JPEG 60", "mirrored", "turned by 90", "turned by 5", "padded", "cropped to 80 %"])
def test_a_changed_copy_of_a_small_drawing_is_known(change: str) -> None:
    rng = random.Random(11)
    pictures = [draw(SUBJECT, rng) for _ in range(8)]
    found = same_pictures([sketch_of(CHANGES[change](one)) for one in pictures], [sketch_of(one) for one in pictures])
    assert len({at for at, beside in found if at == beside}) >= 7
    assert all(at == beside for at, beside in found)


def test_a_copy_that_exif_turns_is_known(tmp_path: Path) -> None:
    picture = _photograph(0)
    picture.save(tmp_path / "plain.png")
    exif = Image.Exif()
    exif[0x0112] = SIDEWAYS
    picture.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif, quality=90)
    turned, plain = sketch(tmp_path / "turned.jpg"), sketch(tmp_path / "plain.png")
    assert turned.pixels.shape == plain.pixels.shape
    assert np.abs(turned.pixels - plain.pixels).mean() < 0.02  # upright, not merely found among the quarter turns
    assert same_pictures([turned], [plain]) == [(0, 0)]


def test_other_pictures_of_one_person_are_no_copies() -> None:
    rng = random.Random(12)
    pictures = [sketch_of(draw(SUBJECT, rng)) for _ in range(16)]
    assert [pair for pair in same_pictures(pictures, pictures) if pair[0] != pair[1]] == []


def test_the_shipped_references_are_no_copies_of_the_training_set() -> None:
    """Two of them differ in the eyes alone."""
    folders = [sorted((FOLDER / part).rglob("*.png")) for part in ("references", "Train")]
    own, trained = ([sketch(path) for path in paths] for paths in folders)
    assert same_pictures(own, trained) == []


def test_nothing_is_like_nothing() -> None:
    plain = sketch_of(Image.new("RGB", (80, 60), (200, 100, 50)))
    assert same_pictures([], [plain]) == []
    assert same_pictures([plain], [plain]) == []
