"""kohya's folders and captions are read by kohya's rules; what breaks them is named, nothing is dropped silently."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from base_models.pictures.picture_file import UnreadablePictureError, size_of
from foundation.errors import DatasetError, MissingFileError
from tiny import tiny_picture
from trainer.config.data_section import DataSection
from trainer.data.captions import varied
from trainer.data.dataset import read_dataset
from trainer.data.pictures import cover, load_pixels


def _folder(parent: Path, name: str, *pictures: str) -> Path:
    folder = parent / name
    folder.mkdir(parents=True)
    for seed, picture in enumerate(pictures):
        tiny_picture(folder / picture, seed)
    return folder


def test_several_folders_each_with_its_repeats_and_words(tmp_path: Path) -> None:
    _folder(tmp_path / "Train", "100_name girl", "a.png")
    _folder(tmp_path / "Train", "10_name girl portrait", "b.jpg", "c.webp")
    _folder(tmp_path / "Reg", "5_girl", "d.bmp", "e.JPEG")
    dataset = read_dataset(tmp_path / "Train", tmp_path / "Reg")
    assert [(one.path.name, one.repeats, one.caption) for one in dataset.samples] == [
        ("a.png", 100, "name girl"),
        ("b.jpg", 10, "name girl portrait"),
        ("c.webp", 10, "name girl portrait"),
        ("d.bmp", 5, "girl"),
        ("e.JPEG", 5, "girl"),
    ]
    assert not dataset.notes


@pytest.mark.parametrize("suffix", [".txt", ".caption"])
def test_a_caption_file_counts_more_than_the_folders_words(tmp_path: Path, suffix: str) -> None:
    folder = _folder(tmp_path, "3_köln person", "zwei drei.png")
    (folder / f"zwei drei{suffix}").write_text("﻿photo of müller, 笑顔  \r\n", encoding="utf-8")
    dataset = read_dataset(tmp_path, None)
    assert dataset.samples[0].caption == "photo of müller, 笑顔"
    assert not dataset.notes


def test_pictures_that_become_others_while_a_run_begins_are_told(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "3_x", "a.png", "b.png")
    dataset = read_dataset(tmp_path, None)
    dataset.sha256()
    dataset.require_unchanged()
    was = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes((folder / "b.png").read_bytes())
    with pytest.raises(DatasetError, match=r"a\.png: was changed while the run began; run again"):
        dataset.require_unchanged()
    (folder / "a.png").write_bytes(was)
    dataset.require_unchanged()
    (folder / "b.png").unlink()
    with pytest.raises(DatasetError, match=r"b\.png: was changed"):
        dataset.require_unchanged()


def test_more_lines_than_the_first_are_said(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "3_x", "a.png")
    (folder / "a.txt").write_text("first\nsecond\n", encoding="utf-8")
    dataset = read_dataset(tmp_path, None)
    assert dataset.samples[0].caption == "first"
    assert "a.txt" in dataset.notes[0]


def test_what_is_not_read_is_said(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "3_x", "a.png")
    (folder / "typo.txt").write_text("whose?", encoding="utf-8")
    (folder / "b.heic").write_bytes(b"")
    (folder / ".DS_Store").write_bytes(b"")
    (note,) = read_dataset(tmp_path, None).notes
    assert "typo.txt" in note
    assert "b.heic" in note
    assert "DS_Store" not in note


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.txt", b"", "a.txt: its first line is empty"),
        ("a.txt", b"\nlater", "a.txt: its first line is empty"),
        (
            "a.txt",
            "süß".encode("latin-1"),
            "a.txt: is not UTF-8 text: byte 1, in line 1, is 0xFC; save",
        ),
    ],
)
def test_captions_that_cannot_be_used_are_named(tmp_path: Path, name: str, text: bytes, match: str) -> None:
    (_folder(tmp_path, "3_x", "a.png") / name).write_bytes(text)
    with pytest.raises(DatasetError, match=match):
        read_dataset(tmp_path, None)


def test_two_captions_for_one_picture(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "3_x", "a.png")
    for suffix in ("txt", "caption"):
        (folder / f"a.{suffix}").write_text("words", encoding="utf-8")
    with pytest.raises(DatasetError, match="has two captions"):
        read_dataset(tmp_path, None)


@pytest.mark.parametrize("name", ["hina", "x_10", "0_hina", "-3_hina"])
def test_a_folder_that_is_not_kohyas_is_an_error(tmp_path: Path, name: str) -> None:
    _folder(tmp_path, "10_good", "a.png")
    _folder(tmp_path, name, "a.png")
    with pytest.raises(DatasetError, match=f"{name}: not a kohya folder"):
        read_dataset(tmp_path, None)


def test_the_folder_itself_instead_of_its_parent(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"10_hina: is itself a folder .*; give its parent, {tmp_path}$"):
        read_dataset(_folder(tmp_path, "10_hina", "a.png"), None)
    with pytest.raises(DatasetError, match="hina: holds pictures itself"):
        read_dataset(_folder(tmp_path, "hina", "a.png"), None)
    with pytest.raises(MissingFileError, match="Trian: no such folder, given as train"):
        read_dataset(tmp_path / "Trian", None)
    file = tmp_path / "10_hina" / "a.png"
    with pytest.raises(MissingFileError, match=r"a\.png: is a file, given as train; give the parent of folders"):
        read_dataset(file, None)


def test_one_folder_is_not_the_subject_and_the_class(tmp_path: Path) -> None:
    (tmp_path / "Train").mkdir()
    (tmp_path / "again").symlink_to(tmp_path / "Train")
    for other in (tmp_path / "Train", tmp_path / "Train" / ".." / "Train", tmp_path / "again"):
        with pytest.raises(ValueError, match=r"train and reg are one folder; .*, or leave reg out"):
            DataSection(train=tmp_path / "Train", reg=other, resolution=64)


def test_no_pictures_and_no_words(tmp_path: Path) -> None:
    _folder(tmp_path / "empty", "10_hina")
    with pytest.raises(DatasetError, match="has no pictures"):
        read_dataset(tmp_path / "empty", None)
    _folder(tmp_path / "wordless", "10_", "a.png")
    with pytest.raises(DatasetError, match="no class words"):
        read_dataset(tmp_path / "wordless", None)


def test_the_hash_follows_what_training_sees_and_not_where_it_lies(tmp_path: Path) -> None:
    for parent in ("one", "two"):
        _folder(tmp_path / parent, "3_x", "a.png", "b.png")
    hashes = [read_dataset(tmp_path / parent, None).sha256() for parent in ("one", "two")]
    assert hashes[0] == hashes[1]
    (tmp_path / "two" / "3_x" / "a.txt").write_text("other words", encoding="utf-8")
    assert read_dataset(tmp_path / "two", None).sha256() != hashes[0]


def _square(path: Path) -> NDArray[np.float32]:
    return load_pixels(path, cover(size_of(path), (32, 32)))


def test_a_picture_covers_the_square_and_keeps_its_centre(tmp_path: Path) -> None:
    pixels = np.zeros((40, 120, 3), dtype=np.uint8)
    pixels[:, 40:80] = 255  # the middle third of a wide picture: all that is left of it
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    square = _square(tmp_path / "wide.png")
    assert square.shape == (3, 32, 32)
    assert square.min() > 0.9


def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32, 3), dtype=np.uint8)
    pixels[:16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise: the upper half comes to the right
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    square = _square(tmp_path / "turned.png")
    assert square[:, :, 20:].min() > 0.9
    assert square[:, :, :12].max() < -0.9


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_an_unreadable_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(UnreadablePictureError, match=r"broken\.png: cannot be read"):
        _square(tmp_path / "broken.png")


def test_a_truncated_picture_is_named(tmp_path: Path) -> None:
    whole = tiny_picture(tmp_path / "whole.png", 0).read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"half\.png: cannot be read"):
        _square(tmp_path / "half.png")


CAPTION = "photo of hina, smiling, red hat, looking left, outdoors"


def _data(**values: object) -> DataSection:
    return DataSection.model_validate({"train": "Train", "resolution": 64, **values})


def _told(epoch: int = 1, **values: object) -> list[str]:
    return [varied(CAPTION, _data(**values), epoch, Random(seed)) for seed in range(400)]


def test_a_caption_is_left_as_it_is_unless_asked() -> None:
    odd = " photo,of , hina,,"
    assert varied(odd, _data(), 1, Random(0)) == odd
    assert not _data().captions_vary


@given(st.integers(0, 7), st.integers(0, 99))
def test_shuffling_keeps_every_tag_and_the_first_ones_in_place(keep: int, seed: int) -> None:
    tags = CAPTION.split(", ")
    told = varied(CAPTION, _data(shuffle_caption=True, keep_tokens=keep), 1, Random(seed)).split(", ")
    assert told[:keep] == tags[:keep]
    assert sorted(told) == sorted(tags)


def test_shuffling_comes_by_every_order_of_the_rest() -> None:
    orders = {tuple(told.split(", ")[2:]) for told in _told(shuffle_caption=True, keep_tokens=2)}
    assert len(orders) == 6


def test_captions_are_dropped_as_often_as_asked() -> None:
    dropped = _told(caption_dropout_rate=0.25).count("")
    assert 70 < dropped < 130
    assert set(_told(epoch=3, caption_dropout_every_n_epochs=3)) == {""}
    assert set(_told(epoch=4, caption_dropout_every_n_epochs=3)) == {CAPTION}


def test_tags_are_dropped_one_by_one_and_kept_ones_never() -> None:
    told = [caption.split(", ") for caption in _told(caption_tag_dropout_rate=0.5, keep_tokens=1)]
    assert all(tags[0] == "photo of hina" for tags in told)
    assert 1.6 < sum(len(tags) - 1 for tags in told) / len(told) < 2.4
    assert {len(tags) for tags in told} == {1, 2, 3, 4, 5}
