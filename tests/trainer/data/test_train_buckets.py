"""Aspect buckets: kohya's sizes, the nearest aspect, a cut that never leaves an edge empty."""

from __future__ import annotations

from math import gcd
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base_models.pictures.picture_file import size_of
from tiny import tiny_picture
from trainer.config.data_section import DataSection
from trainer.data.buckets import bucket_sizes, frames_of, nearest, shrunk
from trainer.data.dataset import Dataset, Sample
from trainer.data.pictures import Frame, cover, load_pixels

SIDES = st.integers(20, 3000)
RESOLUTIONS = st.sampled_from([512, 768, 1024])


def _data(**values: object) -> DataSection:
    return DataSection.model_validate({"train": "Train", "resolution": 768, "enable_bucket": True, **values})


def test_the_sizes_at_512_are_those_of_kohyas_tables() -> None:
    """The list that sd-scripts prints for 512 x 512, 256 to 1024 by 64."""
    tall = [(256, 1024), (320, 768), (384, 640), (448, 576)]
    also = [(256, side) for side in (1024,)] + [(320, 768)]
    sizes = bucket_sizes(512, 256, 1024, 64)
    assert {(512, 512), *tall, *((high, low) for low, high in tall), *also} <= set(sizes)
    assert sizes == sorted(sizes)


@given(RESOLUTIONS, st.sampled_from([(256, 1024, 64), (320, 2048, 64), (256, 1536, 32)]))
def test_a_bucket_is_as_large_as_the_area_lets_it(resolution: int, sides: tuple[int, int, int]) -> None:
    low, high, steps = sides
    sizes = bucket_sizes(resolution, low, max(high, resolution), steps)
    for width, height in sizes:
        assert width * height <= resolution**2
        assert gcd(width, height) % steps == 0
        assert (height, width) in sizes
    for width in range(low, high + 1, steps):  # none is missing: one step more would be too much
        heights = [tall for wide, tall in sizes if wide == width and width != resolution]
        for height in heights:
            assert any(width * (one + steps) > resolution**2 or one + steps > high for one in heights)
            assert low <= height <= max(high, resolution)


@given(SIDES, SIDES)
def test_no_other_bucket_is_nearer_in_aspect(width: int, height: int) -> None:
    known = bucket_sizes(768, 256, 1024, 64)
    chosen = nearest((width, height), known)
    distances = [abs(wide / tall - width / height) for wide, tall in known]
    assert abs(chosen[0] / chosen[1] - width / height) == min(distances)


def test_a_picture_of_a_buckets_size_is_left_as_it_is() -> None:
    known = bucket_sizes(768, 256, 1024, 64)
    for size in known:
        assert cover(size, nearest(size, known)) == Frame(size, size, size)


def test_of_buckets_of_one_aspect_a_pictures_own_size_is_its_bucket_and_else_the_first() -> None:
    known = [(64, 64), (128, 128), (128, 64)]
    assert [nearest(size, known) for size in ((128, 128), (100, 100), (130, 64))] == [(128, 128), (64, 64), (128, 64)]


@given(SIDES, SIDES, RESOLUTIONS)
def test_the_scaled_picture_just_covers_its_bucket(width: int, height: int, resolution: int) -> None:
    bucket = nearest((width, height), bucket_sizes(resolution, 256, 1024, 64))
    frame = cover((width, height), bucket)
    assert frame.resized[0] >= bucket[0]
    assert frame.resized[1] >= bucket[1]
    assert frame.resized[0] == bucket[0] or frame.resized[1] == bucket[1]


@given(SIDES, SIDES, RESOLUTIONS, st.sampled_from([32, 64]))
def test_without_upscaling_nothing_grows_and_little_is_cut(width: int, height: int, side: int, steps: int) -> None:
    frame = shrunk((width, height), side, steps)
    assert all(one % steps == 0 for one in frame.bucket)
    assert all(one >= cut for one, cut in zip(frame.resized, frame.bucket, strict=True))
    if min(width, height) >= 2 * steps and max(width, height) < 8 * min(width, height):
        assert all(one <= whole for one, whole in zip(frame.resized, (width, height), strict=True))
        assert all(one - cut < steps for one, cut in zip(frame.resized, frame.bucket, strict=True))
    if width * height <= side**2 and min(width, height) >= steps:
        assert frame.resized == (width, height)


def test_kohyas_own_choice_without_upscaling() -> None:
    """Worked by hand after `select_bucket`: 4000 x 3000 at 768 px; 900 x 620 fits and is only cropped."""
    assert shrunk((4000, 3000), 768, 64) == Frame((4000, 3000), (853, 640), (832, 640))
    assert shrunk((3000, 4000), 768, 64) == Frame((3000, 4000), (640, 853), (640, 832))
    assert shrunk((900, 620), 768, 64) == Frame((900, 620), (900, 620), (896, 576))


@given(SIDES, SIDES)
def test_sdxl_is_told_the_crop_of_the_picture_fitted_in(width: int, height: int) -> None:
    bucket = nearest((width, height), bucket_sizes(1024, 256, 2048, 64))
    high, wide, top, left, tall, broad = cover((width, height), bucket).time_ids()
    assert ((wide, high), (broad, tall)) == ((width, height), bucket)
    assert 0 in (top, left)
    scale = min(bucket[0] / width, bucket[1] / height)
    assert left == pytest.approx((bucket[0] - width * scale) / 2, abs=1)
    assert top == pytest.approx((bucket[1] - height * scale) / 2, abs=1)


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [
        (512, (256, 1024, 64)),
        (768, (256, 1024, 64)),
        (1024, (256, 1024, 64)),
        (2048, (256, 2048, 64)),
        (64, (32, 128, 8)),
    ],
)
def test_the_range_is_kohyas_and_scales_down(resolution: int, expected: tuple[int, int, int]) -> None:
    assert _data(resolution=resolution).bucket_range == expected


def test_a_range_that_leaves_out_the_resolution_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not within min_bucket_reso 256 and max_bucket_reso 512"):
        _data(max_bucket_reso=512)
    with pytest.raises(ValueError, match="no multiple of bucket_reso_steps 48"):
        _data(bucket_reso_steps=48, min_bucket_reso=256)


def test_frames_come_from_the_files(tmp_path: Path) -> None:
    paths = [tiny_picture(tmp_path / f"{at}.png", at, size) for at, size in enumerate([(90, 60), (60, 90), (50, 50)])]
    dataset = Dataset(tuple(Sample(path, "x", 1, "1_x") for path in paths), (), ())
    frames = frames_of(dataset, _data(resolution=64))
    assert [frame.bucket for frame in frames] == [(80, 48), (48, 80), (64, 64)]
    assert [load_pixels(path, frame).shape for path, frame in zip(paths, frames, strict=True)] == [
        (3, 48, 80),
        (3, 80, 48),
        (3, 64, 64),
    ]
    square = frames_of(dataset, _data(resolution=64, enable_bucket=False))
    assert {frame.bucket for frame in square} == {(64, 64)}
    shrinking = frames_of(dataset, _data(resolution=64, bucket_no_upscale=True))
    assert [frame.resized for frame in shrinking] == [
        shrunk(size, 64, 8).resized for size in [(90, 60), (60, 90), (50, 50)]
    ]
    assert shrinking[2].resized == (50, 50), "nothing grows"
    (tmp_path / "1.png").write_bytes(b"")
    assert frames_of(dataset, _data(resolution=64))[1].bucket == (64, 64)  # it is named when it is encoded


def test_sizes_are_as_exif_turns_them(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    assert size_of(tmp_path / "turned.jpg") == (20, 40)
