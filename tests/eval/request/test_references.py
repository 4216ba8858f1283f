"""References that are no pictures are named, without a traceback."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.request.references import References, UnreadablePictureError, check_held_out, read_whole


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "ref.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    return path


def test_a_damaged_picture_is_named(picture: Path) -> None:
    whole = picture.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"no picture", b"", whole[:40] + bytes(30) + whole[70:]):
        picture.write_bytes(damaged)
        with pytest.raises(UnreadablePictureError, match=r"ref\.png: not a picture.*; do this"):
            read_whole(picture, "do this")
        with pytest.raises(UnreadablePictureError, match=r"ref\.png: not a picture"):
            check_held_out(References({"a": picture}, {}))


def test_a_picture_too_large_to_be_one_is_named(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_whole(picture, "do this").shape == (64, 64, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UnreadablePictureError, match="decompression bomb"):
        read_whole(picture, "do this")
