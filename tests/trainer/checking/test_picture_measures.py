"""Every measure orders photographs by what was done to them, and is not moved by what was not."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import insightface
import numpy as np
import pytest
import skimage
from PIL import Image, ImageFilter

from trainer.checking.measures.measured import Measured
from trainer.checking.measures.picture_measures import measure
from trainer.config.config import parse_config
from trainer.config.data_section import DataSection

SHIPPED = Path(skimage.__file__).parent / "data"
PHOTOGRAPHS = {
    "astronaut": SHIPPED / "astronaut.png",
    "cat": SHIPPED / "chelsea.png",
    "coffee": SHIPPED / "coffee.png",
    "group": Path(insightface.__file__).parent / "data" / "images" / "t1.jpg",
}


def data(resolution: int = 384) -> DataSection:
    values: dict[str, object] = {
        "model": {"base": "miniature"},
        "data": {"train": "x", "resolution": resolution},
        "output": {"folder": "x", "name": "x"},
    }
    return parse_config(values, Path("x.toml")).data


@pytest.fixture(params=PHOTOGRAPHS)
def photograph(request: pytest.FixtureRequest) -> Image.Image:
    with Image.open(PHOTOGRAPHS[request.param]) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((512, 512), Image.Resampling.LANCZOS)
    return picture


def seen(picture: Image.Image, folder: Path) -> Measured:
    path = folder / "seen.png"
    picture.save(path)
    return measure(path, "", data(), None).measured


def grows(values: list[float], by: float = 1.0) -> bool:
    return all(after > before * by for before, after in pairwise(values))


def test_edges_widen_by_as_much_as_a_picture_is_blurred(photograph: Image.Image, tmp_path: Path) -> None:
    scale = 384 / (photograph.width * photograph.height) ** 0.5
    blurs = (0.0, 1.0, 2.0, 4.0)
    widths = [seen(photograph.filter(ImageFilter.GaussianBlur(one)), tmp_path).blur or np.nan for one in blurs]
    assert grows(widths)
    assert widths[-1] == pytest.approx(4.0 * scale, rel=0.35)
    assert widths[0] < 1.4


def test_darkening_lowers_the_bright_end_by_as_much(photograph: Image.Image, tmp_path: Path) -> None:
    ends = [seen(photograph.point(lambda level, k=k: round(level * k)), tmp_path).bright_end for k in (1.0, 0.6, 0.3)]
    assert grows(ends[::-1])
    assert ends[1] == pytest.approx(0.6 * ends[0], abs=0.02)


def test_contrast_falls_as_a_picture_is_greyed(photograph: Image.Image, tmp_path: Path) -> None:
    shares = (0.1, 0.4, 1.0)
    found = [
        seen(photograph.point(lambda level, k=k: round(128 + (level - 128) * k)), tmp_path).contrast for k in shares
    ]
    assert grows(found)


def test_blocks_show_as_a_picture_is_recompressed(photograph: Image.Image, tmp_path: Path) -> None:
    found: list[float] = []
    for quality in (60, 25, 8):
        file = io.BytesIO()
        photograph.save(file, "JPEG", quality=quality)
        found.append(seen(Image.open(file).convert("RGB"), tmp_path).blocks)
    assert grows([seen(photograph, tmp_path).blocks, *found])
    assert found[-1] > 1.5


@pytest.mark.parametrize("quality", [95, 75, 40, 15])
def test_a_jpegs_quality_is_read_off_its_tables(photograph: Image.Image, tmp_path: Path, quality: int) -> None:
    path = tmp_path / "a.jpg"
    photograph.save(path, quality=quality)
    assert measure(path, "", data(), None).measured.quality == pytest.approx(quality, abs=2)


def test_noise_grows_as_noise_is_added(photograph: Image.Image, tmp_path: Path) -> None:
    pixels = np.asarray(photograph).astype(float)
    grain = np.random.default_rng(0).normal(0, 1, pixels.shape)
    noisy = [Image.fromarray(np.clip(pixels + each * grain, 0, 255).astype(np.uint8)) for each in (0, 8, 24)]
    assert grows([seen(one, tmp_path).noise for one in noisy])


def test_a_frame_is_seen_and_a_photographs_own_edge_is_none(photograph: Image.Image, tmp_path: Path) -> None:
    assert seen(photograph, tmp_path).border == ""
    framed = Image.new("RGB", (photograph.width, round(photograph.height * 1.2)), (20, 170, 40))
    framed.paste(photograph, (0, round(photograph.height * 0.1)))
    assert seen(framed, tmp_path).border == "above and below"
    for colour in ((20, 170, 40), (200, 0, 200)):
        size = round(photograph.width * 1.4), round(photograph.height * 1.3)
        around = Image.new("RGB", size, colour)
        around.paste(photograph, ((size[0] - photograph.width) // 2, (size[1] - photograph.height) // 2))
        assert seen(around, tmp_path).border == "all around"
        assert seen(around.resize((size[0] // 3, size[1] // 3), Image.Resampling.LANCZOS), tmp_path).border


def test_a_crop_changes_nothing_but_what_it_cuts(photograph: Image.Image, tmp_path: Path) -> None:
    width, height = photograph.size
    cut = photograph.crop((width // 8, height // 8, width * 7 // 8, height * 7 // 8))
    whole, part = seen(photograph, tmp_path), seen(cut, tmp_path)
    assert part.blocks == pytest.approx(whole.blocks, abs=0.15)
    assert part.blur == pytest.approx(whole.blur or 0, rel=0.6)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (20, 1), (5, 5)])
def test_the_smallest_pictures_are_measured_too(tmp_path: Path, size: tuple[int, int]) -> None:
    found = seen(Image.new("RGB", size, (200, 10, 10)), tmp_path)
    assert found.fault == ""
    assert found.size == size
