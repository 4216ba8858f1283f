"""What people's folders hold beside pictures and captions: left out, read, or said with what to do. Nothing hangs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from foundation.errors import DatasetError, UnusablePicturesError
from foundation.files import sha256_of
from tiny import tiny_picture
from trainer.config.data_section import DataSection
from trainer.data.buckets import frames_of
from trainer.data.dataset import read_dataset
from trainer.data.latent_cache import VERSION, LatentCache, View
from trainer.data.picture_notes import with_picture_notes
from trainer.data.pictures import cover, load_pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A kohya folder with one picture and its caption."""
    made = tmp_path / "Train" / "3_ohwx person"
    made.mkdir(parents=True)
    tiny_picture(made / "a.png", 0)
    (made / "a.txt").write_text("photo of ohwx person")
    return made


def _read(folder: Path) -> tuple[list[tuple[str, str]], str]:
    dataset = read_dataset(folder.parent, None)
    return [(one.path.name, one.caption) for one in dataset.train], "\n".join(dataset.notes)


def test_what_systems_leave_is_no_part_of_the_data(folder: Path) -> None:
    for hidden in (folder / "._a.png", folder / ".ipynb_checkpoints" / "a-checkpoint.png"):
        hidden.parent.mkdir(exist_ok=True)
        tiny_picture(hidden, 1)
    for left in (folder.parent / "__MACOSX", folder / "__MACOSX", folder / "@eaDir", folder.parent / ".cache"):
        left.mkdir()
        tiny_picture(left / "a.png", 1)
    assert _read(folder) == ([("a.png", "photo of ohwx person")], "")


def test_names_in_capitals_are_pictures_and_captions(folder: Path) -> None:
    tiny_picture(folder / "B.PNG", 1)
    (folder / "B.TXT").write_text("ohwx person, smiling")
    read, said = _read(folder)
    assert ("B.PNG", "ohwx person, smiling") in read
    assert f"{folder}: read as captions: B.TXT; kohya reads small letters alone, so rename them" in said


def test_a_caption_of_other_letters_is_named(folder: Path) -> None:
    tiny_picture(folder / "IMG.png", 1)
    (folder / "img.txt").write_text("words")
    read, said = _read(folder)
    assert ("IMG.png", "ohwx person") in read
    assert f"{folder / 'img.txt'}: is not the caption of IMG.png, for their names differ in capitals; rename it" in said


def test_two_pictures_with_one_caption(folder: Path) -> None:
    tiny_picture(folder / "a.jpg", 1)
    with pytest.raises(DatasetError, match=r"a\.txt: is the caption of two pictures, a\.jpg and a\.png; give one of"):
        _read(folder)
    (folder / "a.txt").unlink()
    assert len(_read(folder)[0]) == 2


@pytest.mark.parametrize("suffixes", [(".txt", ".TXT"), (".txt", ".caption"), (".Caption", ".txt")])
def test_one_picture_with_two_captions(folder: Path, suffixes: tuple[str, str]) -> None:
    for suffix in suffixes:
        (folder / f"a{suffix}").write_text("words")
    with pytest.raises(DatasetError, match=r"a\.png: has two captions, .*; keep one"):
        _read(folder)


@pytest.mark.parametrize("name", ["b.png", "b.JPG"])
def test_what_has_a_pictures_name_and_is_none_is_named_and_never_opened(folder: Path, name: str) -> None:
    os.mkfifo(folder / name)
    with pytest.raises(UnusablePicturesError, match=rf"{name}: is a named pipe, not a file; replace or remove"):
        _read(folder)
    (folder / name).unlink()
    for target, fault in (("/dev/zero", "is a device"), ("nowhere.png", r"is a link to nowhere\.png, which is not")):
        (folder / name).symlink_to(target)
        with pytest.raises(UnusablePicturesError, match=f"{name}: {fault}"):
            _read(folder)
        (folder / name).unlink()


def test_a_caption_that_is_no_file_is_named_and_never_opened(folder: Path) -> None:
    (folder / "a.txt").unlink()
    os.mkfifo(folder / "a.txt")
    with pytest.raises(DatasetError, match=r"a\.txt: is a named pipe, not a file; give a text file in its place"):
        _read(folder)
    (folder / "a.txt").unlink()
    (folder / "a.txt").symlink_to("nowhere.txt")
    with pytest.raises(DatasetError, match=r"a\.txt: is a link to nowhere\.txt, which is not there"):
        _read(folder)


def test_a_caption_of_gigabytes_is_named_and_not_read(folder: Path) -> None:
    os.truncate(folder / "a.txt", 3 * 2**30)
    with pytest.raises(DatasetError, match=r"a\.txt: has 3,221,225,472 bytes, and 65,536 are the most"):
        _read(folder)


def test_other_things_are_no_matter(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder.parent / "pipe")
    assert "pipe" in _read(folder)[1]


def test_a_linked_folder_is_one_and_a_dangling_link_to_one_is_named(folder: Path, tmp_path: Path) -> None:
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert len(_read(folder)[0]) == 1
    (tmp_path / "elsewhere").rename(tmp_path / "gone")
    with pytest.raises(UnusablePicturesError, match=r"3_ohwx person: is a link to .*elsewhere, which is not there"):
        _read(folder)


def test_a_folder_above_the_parent(folder: Path) -> None:
    above = folder.parent.parent
    with pytest.raises(DatasetError, match=r"Train: holds kohya folders itself \(3_ohwx person\); give it, not"):
        read_dataset(above, None)


@pytest.mark.parametrize(
    "written",
    [
        "\ufeffphoto of müller, 笑顔\r\n".encode(),
        "photo of müller, 笑顔\rmore".encode(),
        "photo of müller, 笑顔".encode("utf-16"),
        "\ufeffphoto of müller, 笑顔\r\n".encode("utf-16-be"),
    ],
)
def test_captions_of_any_editor(folder: Path, written: bytes) -> None:
    (folder / "a.txt").write_bytes(written)
    assert _read(folder)[0] == [("a.png", "photo of müller, 笑顔")]


def test_a_strip_is_named_and_never_scaled(folder: Path) -> None:
    """A few hundred bytes that would be scaled to gigabytes."""
    Image.new("L", (1, 65_535)).save(folder / "strip.png")
    dataset = read_dataset(folder.parent, None)
    frames = frames_of(dataset, DataSection(train=folder.parent, resolution=512))
    (at,) = (at for at, one in enumerate(dataset.train) if one.path.name == "strip.png")
    with pytest.raises(UnusablePicturesError, match=r"strip\.png: 1 x 65535 pixels are no picture"):
        load_pixels(dataset.train[at].path, frames[at])


def test_a_latent_of_a_picture_that_was_read_otherwise_is_not_met_again(folder: Path, tmp_path: Path) -> None:
    deep, frame = folder / "deep.png", cover((32, 32), (32, 32))
    Image.fromarray(np.full((32, 32), 30_000, np.uint16)).save(deep)
    cache = LatentCache(tmp_path / "cache", "vae")
    for path in (deep, folder / "a.png"):  # kept as earlier versions named it: by the bytes alone
        named = f"{VERSION} vae {sha256_of(path)} {(frame.original, frame.resized, frame.bucket, False)}"
        kept = tmp_path / "cache" / f"{hashlib.sha256(named.encode()).hexdigest()}.safetensors"
        save_file({"latents": torch.ones(4, 4, 4)}, kept)
    assert cache.read(View(folder / "a.png", frame)) is not None
    assert cache.read(View(deep, frame)) is None


def test_how_pictures_are_read_is_said(folder: Path) -> None:
    clear = np.zeros((32, 32, 4), np.uint8)
    Image.fromarray(clear).save(folder / "clear.png")
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "moving.png", save_all=True, append_images=frames[1:])
    notes = with_picture_notes(read_dataset(folder.parent, None)).notes
    assert notes == (
        "pictures animated, of which the first frame is taken: moving.png",
        "pictures with transparent parts, which are shown over white: clear.png",
    )
