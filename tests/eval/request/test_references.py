"""References that are no pictures are named, without a traceback."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from base_models.pictures.picture_file import UnreadablePictureError
from eval.request.references import References, check_held_out, pictures_below, read_whole
from foundation.errors import UnusablePicturesError
from foundation.files import sha256_of


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "ref.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    return path


def test_a_damaged_picture_is_named(picture: Path) -> None:
    whole = picture.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"no picture", b"", whole[:40] + bytes(30) + whole[70:]):
        picture.write_bytes(damaged)
        with pytest.raises(UnreadablePictureError, match=r"ref\.png: cannot be read as a picture .*; do this"):
            read_whole(picture, "do this")
        with pytest.raises(UnreadablePictureError, match=r"ref\.png: cannot be read .*; replace or remove it"):
            check_held_out(References({"a": picture}, {}))


def test_a_picture_too_large_to_be_one_is_named(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_whole(picture, "do this").shape == (64, 64, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UnreadablePictureError, match=r"ref\.png: .*more than \d+ pixels"):
        read_whole(picture, "do this")


def test_what_systems_leave_is_no_reference(picture: Path) -> None:
    for hidden in ("._ref.png", ".ipynb_checkpoints/ref-checkpoint.png", "__MACOSX/ref.png", "below/._b.png"):
        path = picture.parent / hidden
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"no picture")
    below = picture.parent / "below" / "SECOND.JPG"
    Image.new("RGB", (8, 8)).save(below)
    (picture.parent / "notes.txt").write_text("words")
    assert pictures_below(picture.parent) == {sha256_of(path): path for path in (below, picture)}


def test_what_has_a_pictures_name_and_is_none_is_named_and_never_opened(picture: Path) -> None:
    below = picture.parent / "below"
    below.mkdir()
    os.mkfifo(below / "pipe.png")
    (picture.parent / "gone.jpg").symlink_to("nowhere.jpg")
    (picture.parent / "zero.png").symlink_to("/dev/zero")
    with pytest.raises(UnusablePicturesError) as caught:
        pictures_below(picture.parent)
    for said in ("pipe.png: is a named pipe", "gone.jpg: is a link to nowhere.jpg", "zero.png: is a device"):
        assert said in str(caught.value)


def test_what_was_kept_of_a_picture_that_was_read_otherwise_is_not_met_again(picture: Path) -> None:
    ordinary, deep = sha256_of(picture), picture.with_name("deep.png")
    Image.fromarray(np.full((8, 8), 30_000, np.uint16)).save(deep)
    found = pictures_below(picture.parent)
    assert found[ordinary] == picture
    assert sha256_of(deep) not in found
    assert read_whole(deep, "").tolist() == [[[117] * 3] * 8] * 8
