"""What a run's identity is measured by is looked at before it trains: who is in the folder, and what is trained on."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from base_models.vision.folder_check import OnePictureError, SeveralPeopleError, SomebodyElseError
from drawn_people import draw_folder, strangers
from miniature.paths import SUBJECT as SHIPPED
from miniature.recipe.subject import SUBJECT
from tiny import tiny_base, tiny_data, tiny_settings
from trainer.config.config import forced, parse_config
from trainer.data.dataset import Dataset, read_dataset
from trainer.running.run import run_training
from trainer.samples.sample_identity import Allowed, TrainedReferenceError, open_identity_measure


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return read_dataset(SHIPPED / "Train", None)


def test_the_shipped_references_give_no_cause_for_a_word(dataset: Dataset) -> None:
    assert open_identity_measure("miniature", SHIPPED / "references", dataset, 64).remarks == ()


@pytest.mark.parametrize("change", ["JPEG", "mirrored", "EXIF", "cropped"])
def test_a_changed_training_picture_is_no_reference(dataset: Dataset, tmp_path: Path, change: str) -> None:
    shutil.copytree(SHIPPED / "references", tmp_path, dirs_exist_ok=True)
    picture = Image.open(dataset.train[3].path).convert("RGB")
    exif = Image.Exif()
    if change == "EXIF":
        exif[0x0112] = 6
        picture = picture.rotate(90, expand=True)
    elif change == "mirrored":
        picture = ImageOps.mirror(picture)
    elif change == "cropped":
        picture = picture.crop((4, 2, 58, 56))
    picture.save(tmp_path / "leak.jpg", quality=60 if change == "JPEG" else 95, exif=exif)
    with pytest.raises(TrainedReferenceError, match=r"leak\.jpg: is the training picture"):
        open_identity_measure("miniature", tmp_path, dataset, 64)
    allowed = open_identity_measure("miniature", tmp_path, dataset, 64, Allowed(trained=True))
    assert allowed.scale.references == 17


def test_references_of_others_are_refused_unless_allowed(dataset: Dataset, tmp_path: Path) -> None:
    rng = random.Random(1)
    six = draw_folder(tmp_path / "six", strangers(6, rng), rng)
    with pytest.raises(SeveralPeopleError, match="six: the references show"):
        open_identity_measure("miniature", six, dataset, 64)
    allowed = open_identity_measure("miniature", six, dataset, 64, Allowed(others=True))
    assert any("six: the references show" in one for one in allowed.remarks)
    other = draw_folder(tmp_path / "other", strangers(1, rng) * 8, rng)
    with pytest.raises(SomebodyElseError, match="other: the references show somebody else"):
        open_identity_measure("miniature", other, dataset, 64)


def test_one_picture_eight_times_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    picture = Image.open(SHIPPED / "references" / "03.png").convert("RGB")
    for number in range(8):
        picture.save(tmp_path / f"{number}.jpg", quality=96 - 2 * number)
    with pytest.raises(OnePictureError, match="one picture"):
        open_identity_measure("miniature", tmp_path, dataset, 64)


def test_a_run_stops_before_its_first_step_and_goes_on_when_forced(tmp_path: Path) -> None:
    rng = random.Random(3)
    data = tiny_data(tmp_path / "data")
    shutil.rmtree(data / "Train")
    draw_folder(data / "Train" / "1_ohwx person", [SUBJECT] * 8, rng)
    for picture in (data / "Train").rglob("*.png"):
        picture.with_suffix(".txt").write_text("ohwx person", encoding="utf-8")
    references = draw_folder(tmp_path / "references", [SUBJECT] * 6 + strangers(4, rng), rng)
    samples = {"prompts": ["a"], "steps": 1, "faces": "miniature", "references": str(references)}
    output = {"folder": str(tmp_path / "out"), "name": "hina"}
    tables: dict[str, object] = {**tiny_settings(tiny_base(tmp_path / "base")), "samples": samples, "output": output}
    config = parse_config(tables, data / "run.toml")
    with pytest.raises(SeveralPeopleError, match=r"06\.png, 07\.png, 08\.png, 09\.png"):
        run_training(config)
    assert not list((tmp_path / "out").glob("*.safetensors"))
    assert run_training(forced(config)).files
