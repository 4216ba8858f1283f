"""What is no picture, or no size that a picture has, is one error that names the file; nothing is decoded before."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from base_models.pictures.picture_file import UnreadablePictureError, load_picture, manner_of, size_of

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # PIL tells of damage so; commands keep it quiet


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int) -> bytes:
    """One of so many black pixels, in a few hundred bytes."""
    rows = zlib.compress(bytes(1 + width) * height) if width * height < 10**7 else b""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(1, 65535), (65535, 1), (10, 201)])
def test_a_strip_is_no_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "strip.png"
    path.write_bytes(_png(*size))
    for read in (size_of, load_picture):
        with pytest.raises(UnreadablePictureError, match=rf"strip\.png: {size[0]} x {size[1]} pixels .*more than 20"):
            read(path)


def test_as_long_as_a_panorama_is_a_picture(tmp_path: Path) -> None:
    (tmp_path / "wide.png").write_bytes(_png(200, 10))
    assert load_picture(tmp_path / "wide.png").size == (200, 10)


@pytest.mark.parametrize("side", [13_378, 60_000])
def test_a_bomb_is_named_before_it_goes_off(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(_png(side, side))
    with pytest.raises(UnreadablePictureError, match=r"bomb\.png: .*(more than can be read|more than \d+ pixels)"):
        load_picture(path)


def test_the_bound_holds_where_another_library_has_lifted_pils(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bomb.png").write_bytes(_png(60_000, 60_000))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(UnreadablePictureError, match=r"60000 x 60000 pixels are more than can be read; make it"):
        load_picture(tmp_path / "bomb.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif", "tif"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9])
def test_what_is_cut_short_is_named(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UnreadablePictureError, match=rf"cut\.{suffix}: cannot be read as a picture .*; replace or rem"):
        load_picture(path)


@pytest.mark.parametrize("content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"words", bytes(999)])
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.png").write_bytes(content)
    with pytest.raises(UnreadablePictureError, match=r"other\.png: .*no picture, or one of a kind that is not read"):
        load_picture(tmp_path / "other.png")


def test_damage_anywhere_is_one_error_or_a_picture(tmp_path: Path) -> None:
    """Whatever PIL's readers raise of wrong bytes, nothing but the named error comes out."""
    path, rng = tmp_path / "hurt.png", np.random.default_rng(1)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "words"
    wholes: list[bytes] = []
    for suffix in ("png", "jpg", "webp", "tif", "gif"):
        made = tmp_path / f"whole.{suffix}"
        Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(made, exif=exif)
        wholes.append(made.read_bytes())
    failed = 0
    for number in range(300):
        hurt = bytearray(wholes[number % len(wholes)])
        for at in rng.integers(0, min(len(hurt), 200), 3):
            hurt[at] = rng.integers(0, 256)
        path.write_bytes(bytes(hurt))
        try:
            assert load_picture(path).mode == "RGB"
            size_of(path)
        except UnreadablePictureError as error:
            assert str(path) in str(error)  # noqa: PT017 (most of them are, some are not)
            failed += 1
        manner_of(path)
    assert 50 < failed < 300


def test_damaged_exif_leaves_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "exif.jpg"
    Image.new("RGB", (40, 30), "red").save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    assert load_picture(path).size == size_of(path) == (40, 30)


def test_what_is_no_file_is_named_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "folder.png").mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket.png"))
        said = {
            "pipe": "is a named pipe, not a file",
            "zero": "is a device, not a file",
            "gone": f"is a link to {tmp_path / 'nowhere.png'}, which is not there",
            "loop": "cannot be reached",
            "folder": "is a folder, not a file",
            "socket": "is a socket, not a file",
            "none": "is not there",
        }
        for name, fault in said.items():
            path = tmp_path / f"{name}.png"
            with pytest.raises(UnreadablePictureError, match=f"{name}.png: {fault}.*; replace or remove it"):
                load_picture(path)


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    with pytest.raises(UnreadablePictureError, match=r"secret\.png: may not be read by this user"):
        load_picture(tmp_path / "secret.png")


READ = """
import sys
from pathlib import Path
from PIL import Image
from base_models.pictures.picture_file import load_picture
Image.MAX_IMAGE_PIXELS = 60
assert load_picture(Path(sys.argv[1])).size == (10, 10)
"""


def test_large_pictures_are_read_without_a_warning(tmp_path: Path) -> None:
    Image.new("RGB", (10, 10)).save(tmp_path / "large.png")
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "large.png")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
