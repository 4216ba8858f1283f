"""Every kind of picture file comes to the pixels that a viewer shows; ordinary ones keep the bits that they had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from base_models.pictures.picture_file import load_picture, reading_sha256, remarks_on, size_of
from foundation.files import sha256_of
from icc_profiles import GAMMA, P3, SRGB, as_srgb_shows, encoded, grey_profile, ink_profile, matrix_profile

RAMP = np.linspace(0, 65535, 12 * 16).reshape(12, 16).round().astype(np.uint16)
RED, CLEAR = (200, 40, 60), 100


def _colours(seed: int = 0, shape: tuple[int, ...] = (12, 16, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _shown(path: Path) -> np.ndarray:
    return np.asarray(load_picture(path)).astype(int)


def _as_pil_alone_reads(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(ImageOps.exif_transpose(opened).convert("RGB")).astype(int)


ORDINARY: dict[str, Callable[[], Image.Image]] = {
    "rgb.png": lambda: Image.fromarray(_colours()),
    "rgb.jpg": lambda: Image.fromarray(_colours()),
    "rgb.webp": lambda: Image.fromarray(_colours()),
    "rgb.bmp": lambda: Image.fromarray(_colours()),
    "grey.png": lambda: Image.fromarray(_colours(shape=(12, 16))),
    "grey.jpg": lambda: Image.fromarray(_colours(shape=(12, 16))),
    "two.png": lambda: Image.fromarray(_colours(shape=(12, 16))).convert("1"),
    "palette.png": lambda: Image.fromarray(_colours()).quantize(16),
    "inks.jpg": lambda: Image.fromarray(_colours(shape=(12, 16, 4)), "CMYK"),
    "opaque.png": lambda: Image.fromarray(np.dstack([_colours(), np.full((12, 16), 255, np.uint8)])),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_picture_keeps_the_bits_that_it_had(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    ORDINARY[name]().save(path)
    assert np.array_equal(_shown(path), _as_pil_alone_reads(path))
    assert reading_sha256(path) == sha256_of(path)
    assert not remarks_on([path])


def test_sixteen_bits_of_grey_are_that_grey(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(RAMP).save(path)
    assert np.array_equal(_shown(path), np.repeat((RAMP / 257).round()[..., None], 3, -1))
    assert _as_pil_alone_reads(path).mean() > 250  # what earlier versions made of it: nearly white
    assert reading_sha256(path) != sha256_of(path)


@pytest.mark.parametrize(
    ("values", "white"),
    [
        (RAMP.astype(">u2"), 65535),
        (RAMP.astype("<u2"), 65535),
        (RAMP.astype(np.int32), 65535),
        ((RAMP // 257).astype(np.int32), 255),
        ((RAMP / 65535).astype(np.float32), 1),
        ((RAMP / 257).astype(np.float32), 255),
    ],
)
def test_deep_grey_of_any_order_and_number(tmp_path: Path, values: np.ndarray, white: float) -> None:
    path = tmp_path / "deep.png"  # misnamed, as downloads are
    modes = {">u2": "I;16B", "<u2": "I;16", "<i4": "I", "<f4": "F"}
    picture = Image.frombytes(modes[values.dtype.str], (16, 12), values.tobytes())
    picture.save(path, "TIFF")
    assert abs(_shown(path)[..., 0] - values / white * 255).max() <= 0.51


def _with_one_clear_value(picture: Image.Image, path: Path, value: object) -> None:
    picture.save(path, transparency=value)


def test_what_is_transparent_is_white_whatever_colour_was_left_there(tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[..., :3] = RED
    pixels[:, 1, 3], pixels[:, 2, 3], pixels[:, 3, 3] = 255, 127, 1
    Image.fromarray(pixels).save(path)
    share = np.array([0, 255, 127, 1])[:, None] / 255
    assert abs(_shown(path)[0] - (np.array(RED) * share + 255 * (1 - share))).max() <= 0.51
    assert remarks_on([path, path]) == ["with transparent parts, which are shown over white: clear.png, clear.png"]
    assert reading_sha256(path) != sha256_of(path)


@pytest.mark.parametrize("mode", ["LA", "P", "L", "RGB", "I;16", "PA"])
def test_every_way_to_be_transparent_is_over_white(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "clear.png"
    grey = np.full((4, 4), CLEAR, np.uint8)
    grey[:, :2] = 30
    if mode in ("LA", "PA"):
        alpha = Image.fromarray(np.where(grey == CLEAR, 0, 255).astype(np.uint8))
        both = Image.merge("LA", (Image.fromarray(grey), alpha))
        both.save(path)
    elif mode == "P":
        picture = Image.fromarray(grey).convert("P", palette=Image.Palette.ADAPTIVE, colors=2)
        _with_one_clear_value(picture, path, picture.getpixel((3, 0)))
    elif mode == "I;16":
        _with_one_clear_value(Image.fromarray(grey.astype(np.uint16) * 257), path, CLEAR * 257)
    else:
        picture = Image.fromarray(grey).convert(mode)
        _with_one_clear_value(picture, path, CLEAR if mode == "L" else (CLEAR,) * 3)
    shown = _shown(path)
    assert (shown[:, :2] == 30).all()
    assert (shown[:, 2:] == 255).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = tmp_path / f"turned.{suffix}"
    upright = np.kron(np.array([[1, 0, 0], [0, 0, 0]]), np.ones((16, 16))).astype(np.uint8) * 255  # white: top left
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.repeat(stored[orientation][..., None], 3, -1)).save(path, exif=exif, quality=95)
    assert size_of(path) == load_picture(path).size == (48, 32)
    shown = _shown(path)[..., 1]
    assert shown[3:13, 3:13].min() > 240
    assert max(shown[:, 20:].max(), shown[20:].max()) < 15


def test_colours_of_another_space_are_shown_as_they_are_meant(tmp_path: Path) -> None:
    path, colours = tmp_path / "wide.png", _colours()
    Image.fromarray(colours).save(path, icc_profile=matrix_profile(P3))
    assert abs(_shown(path) - as_srgb_shows(colours, P3, GAMMA)).max() <= 1.5
    assert abs(_as_pil_alone_reads(path) - as_srgb_shows(colours, P3, GAMMA)).max() > 20
    assert reading_sha256(path) != sha256_of(path)


def test_the_space_holds_for_palettes_and_beside_transparency(tmp_path: Path) -> None:
    wanted = as_srgb_shows(np.array(RED), P3, GAMMA)
    plain = Image.new("RGB", (4, 4), RED)
    plain.quantize(2).save(tmp_path / "palette.png", icc_profile=matrix_profile(P3))
    plain.putalpha(Image.fromarray(np.array([[255, 0, 255, 0]] * 4, np.uint8)))
    plain.save(tmp_path / "clear.png", icc_profile=matrix_profile(P3))
    assert abs(_shown(tmp_path / "palette.png") - wanted).max() <= 1.5
    shown = _shown(tmp_path / "clear.png")
    assert abs(shown[:, ::2] - wanted).max() <= 1.5
    assert (shown[:, 1::2] == 255).all()


def test_grey_and_inks_have_spaces_of_their_own(tmp_path: Path) -> None:
    grey = _colours(shape=(12, 16))
    Image.fromarray(grey).save(tmp_path / "grey.png", icc_profile=grey_profile(1.8))
    assert abs(_shown(tmp_path / "grey.png")[..., 0] - encoded((grey / 255) ** 1.8) * 255).max() <= 2
    Image.fromarray(RAMP).save(tmp_path / "deep.png", icc_profile=grey_profile(1.8))
    assert abs(_shown(tmp_path / "deep.png")[..., 0] - encoded((RAMP / 65535) ** 1.8) * 255).max() <= 3
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "inks.jpg", icc_profile=ink_profile(50), quality=100)
    assert abs(_shown(tmp_path / "inks.jpg") - 119).max() <= 2  # L* of 50, in sRGB


def _srgb_itself() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("which", ["srgb", "damaged", "grey's", "none"])
def test_a_space_that_says_nothing_else_leaves_the_bits(tmp_path: Path, which: str) -> None:
    profiles = {"srgb": _srgb_itself(), "damaged": b"no profile", "grey's": grey_profile(1.0), "none": b""}
    path = tmp_path / "same.png"
    Image.fromarray(_colours()).save(path, icc_profile=profiles[which])
    assert np.array_equal(_shown(path), _colours())
    assert reading_sha256(path) == sha256_of(path)


def test_a_space_near_to_srgb_is_told_from_it(tmp_path: Path) -> None:
    path = tmp_path / "near.png"
    Image.fromarray(_colours()).save(path, icc_profile=matrix_profile(SRGB, 1.8))
    assert abs(_shown(path) - as_srgb_shows(_colours(), SRGB, round(1.8 * 256) / 256)).max() <= 1.5


@pytest.mark.parametrize("name", ["moving.png", "moving.webp", "moving.gif"])
def test_of_what_moves_the_first_frame_is_taken_and_that_is_said(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    options = {"lossless": True} if name.endswith("webp") else {}
    first.save(path, save_all=True, append_images=[second], duration=100, **options)
    assert _shown(path)[4, 4].tolist() == [255, 0, 0]
    assert remarks_on([path]) == [f"animated, of which the first frame is taken: {name}"]


def test_what_is_known_of_a_file_is_told_anew_once_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.fromarray(RAMP).save(path)
    assert reading_sha256(path) != sha256_of(path)
    Image.fromarray(_colours(shape=(20, 20, 3))).save(path)
    assert reading_sha256(path) == sha256_of(path)
