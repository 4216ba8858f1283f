"""What a run is tested on is never trained on, whatever the files are called."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foundation.files import sha256_of
from trainer.config.data_section import DataSection
from trainer.data.dataset import Dataset, read_dataset
from trainer.data.held_out import TrainedHeldOutError, with_held_out

FOLDER = "2_ohwx person"


def _picture(seed: int) -> Image.Image:
    """Soft shapes, as photographs have: of noise, JPEG would keep little."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC)


def _folder(folder: Path, seeds: range) -> Path:
    folder.mkdir(parents=True)
    for seed in seeds:
        _picture(seed).save(folder / f"{seed:02d}.png")
        (folder / f"{seed:02d}.txt").write_text("ohwx person", encoding="utf-8")
    return folder


def _held_out(folder: Path, share: float = 0.0, seed: int = 0) -> Dataset:
    apart = folder / "held out"
    data = DataSection(
        train=folder / "Train",
        held_out=apart if apart.is_dir() else None,
        held_out_share=share,
        resolution=64,
    )
    return with_held_out(read_dataset(data.train, None), data, seed)


def test_a_held_out_picture_that_is_trained_on_is_left_out_and_named(tmp_path: Path) -> None:
    train = _folder(tmp_path / "Train" / FOLDER, range(4))
    apart = _folder(tmp_path / "held out", range(10, 12))
    shutil.copy(train / "00.png", apart / "copy.png")
    _picture(1).resize((90, 90)).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(apart / "mirrored.jpg")
    for name in ("copy", "mirrored"):
        (apart / f"{name}.txt").write_text("ohwx person", encoding="utf-8")
    dataset = _held_out(tmp_path)
    assert [sample.path.name for sample in dataset.held_out] == ["10.png", "11.png"]
    assert len(dataset.train) == 4
    (note,) = (note for note in dataset.notes if "left out" in note)
    assert f"copy.png (as {FOLDER}/00.png)" in note
    assert f"mirrored.jpg (as {FOLDER}/01.png)" in note


def test_a_folder_of_train_pictures_alone_is_an_error(tmp_path: Path) -> None:
    _folder(tmp_path / "Train" / FOLDER, range(3))
    _folder(tmp_path / "held out", range(2))
    with pytest.raises(TrainedHeldOutError, match=r"held out: all its pictures are trained on.*00\.png"):
        _held_out(tmp_path)


@pytest.mark.parametrize("seed", range(5))
def test_a_picture_in_two_folders_does_not_stay_in_train_when_it_is_set_aside(tmp_path: Path, seed: int) -> None:
    first = _folder(tmp_path / "Train" / FOLDER, range(6))
    shutil.copytree(first, tmp_path / "Train" / "3_ohwx")
    dataset = _held_out(tmp_path, 0.25, seed)
    learned, apart = ({sha256_of(one.path) for one in samples} for samples in (dataset.train, dataset.held_out))
    assert len(dataset.held_out) == 3
    assert not learned & apart
    assert learned
    assert any("nor is what is the same" in note for note in dataset.notes)


def test_pictures_that_are_all_the_same_are_all_trained_on(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "Train" / FOLDER, range(1))
    for name in ("a", "b", "c"):
        shutil.copy(folder / "00.png", folder / f"{name}.png")
        shutil.copy(folder / "00.txt", folder / f"{name}.txt")
    dataset = _held_out(tmp_path, 0.5)
    assert (len(dataset.train), dataset.held_out) == (4, ())
    assert "all are nearly the same" in dataset.notes[-1]


def test_what_cannot_be_read_is_nobodys_twin(tmp_path: Path) -> None:
    """It is named when it is to be encoded, with all others that cannot be."""
    folder = _folder(tmp_path / "Train" / FOLDER, range(4))
    (folder / "00.png").write_bytes(b"no picture")
    assert len(_held_out(tmp_path, 0.5).held_out) == 2
