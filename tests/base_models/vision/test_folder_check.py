"""What is said of the folders that likeness is measured by, with the miniature's own people."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from base_models.drawing.png import read_picture
from base_models.pictures.near_duplicates import same_pictures, sketch
from base_models.vision.face_model import FaceModel
from base_models.vision.faces import load_faces
from base_models.vision.folder_check import (
    FaceFacts,
    Findings,
    OnePictureError,
    SeveralPeopleError,
    SomebodyElseError,
    look_at_folders,
)
from drawn_people import draw_folder, strangers
from miniature.paths import SUBJECT as SHIPPED
from miniature.recipe.subject import SUBJECT

DRAWN = 64


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_faces("miniature")


def _facts(model: FaceModel, folder: Path) -> list[FaceFacts]:
    paths = sorted(folder.rglob("*.png"))
    found = model.read_all([read_picture(path) for path in paths])
    return [
        FaceFacts(path, one.embedding, one.side, one.rivals, model.input_side)
        for path, one in zip(paths, found, strict=True)
    ]


@pytest.fixture(scope="module")
def trained(model: FaceModel) -> list[FaceFacts]:
    return _facts(model, SHIPPED / "Train")


def _looked(model: FaceModel, folder: Path, trained: list[FaceFacts]) -> Findings:
    facts = _facts(model, folder)
    sketches = [sketch(one.path) for one in facts]
    return look_at_folders(facts, trained, same_pictures(sketches, sketches), DRAWN)


def test_the_shipped_subject_gives_no_cause_for_a_word(model: FaceModel, trained: list[FaceFacts]) -> None:
    assert _looked(model, SHIPPED / "references", trained) == Findings(None, ())


@pytest.mark.parametrize("with_training", [True, False])
def test_strangers_among_the_references_are_named(
    model: FaceModel, trained: list[FaceFacts], tmp_path: Path, with_training: bool
) -> None:
    rng = random.Random(1)
    folder = draw_folder(tmp_path / "references", [SUBJECT] * 8 + strangers(3, rng), rng)
    found = _looked(model, folder, trained if with_training else [])
    assert isinstance(found.error, SeveralPeopleError)
    assert "08.png, 09.png, 10.png" in str(found.error)
    assert str(folder) in str(found.error)
    assert "00.png" not in str(found.error)


def test_four_of_the_subject_and_four_strangers_are_an_error(
    model: FaceModel, trained: list[FaceFacts], tmp_path: Path
) -> None:
    rng = random.Random(2)
    found = _looked(model, draw_folder(tmp_path, [SUBJECT] * 4 + strangers(4, rng), rng), trained)
    assert isinstance(found.error, SeveralPeopleError)
    assert "04.png, 05.png, 06.png, 07.png" in str(found.error)


def test_six_different_people_are_an_error(model: FaceModel, trained: list[FaceFacts], tmp_path: Path) -> None:
    rng = random.Random(3)
    found = _looked(model, draw_folder(tmp_path, strangers(6, rng), rng), trained)
    assert isinstance(found.error, SeveralPeopleError)
    assert "all of them" in str(found.error)


def test_somebody_else_altogether_is_an_error(model: FaceModel, trained: list[FaceFacts], tmp_path: Path) -> None:
    rng = random.Random(4)
    found = _looked(model, draw_folder(tmp_path, strangers(1, rng) * 8, rng), trained)
    assert isinstance(found.error, SomebodyElseError)
    assert str(trained[0].path.parent) in str(found.error)


def test_one_odd_one_of_many_is_a_note(model: FaceModel, trained: list[FaceFacts], tmp_path: Path) -> None:
    rng = random.Random(5)
    found = _looked(model, draw_folder(tmp_path, [SUBJECT] * 12 + strangers(1, rng), rng), trained)
    assert found.error is None
    assert any("somebody else" in note and "12.png" in note for note in found.notes)


def test_eight_recompressed_copies_are_one_picture(model: FaceModel, trained: list[FaceFacts], tmp_path: Path) -> None:
    original = Image.open(SHIPPED / "references" / "03.png")
    for number in range(8):
        original.save(tmp_path / "copy.jpg", quality=96 - 2 * number)
        Image.open(tmp_path / "copy.jpg").save(tmp_path / f"{number}.png")
    found = _looked(model, tmp_path, trained)
    assert isinstance(found.error, OnePictureError)
    assert "all 8 references" in str(found.error)


def test_copies_faceless_and_crowded_pictures_are_named(
    model: FaceModel, trained: list[FaceFacts], tmp_path: Path
) -> None:
    rng = random.Random(6)
    draw_folder(tmp_path, [SUBJECT] * 8, rng)
    Image.open(tmp_path / "00.png").resize((96, 96)).save(tmp_path / "copy.png")
    Image.new("RGB", (64, 64), (90, 120, 60)).save(tmp_path / "blank.png")
    both = Image.new("RGB", (128, 64))
    for at, name in enumerate(("01.png", "02.png")):
        both.paste(Image.open(tmp_path / name), (64 * at, 0))
    both.save(tmp_path / "group.png")
    notes = _looked(model, tmp_path, trained).notes
    assert any("one picture several times" in one and "00.png" in one and "copy.png" in one for one in notes)
    assert any("no face in 1 of 11 references" in one and "blank.png" in one for one in notes)
    assert any("several faces of similar size" in one and "group.png" in one for one in notes)


def test_a_face_is_small_beside_what_the_recogniser_takes_in_and_what_is_drawn() -> None:
    vectors = np.eye(16)[:3] * 0.1 + np.eye(16)[3]
    faces = [
        FaceFacts(Path(f"/r/{side}.png"), one / np.linalg.norm(one), side, 0, 112)
        for side, one in zip((40, 60, 200), vectors, strict=True)
    ]
    (note,) = look_at_folders(faces, [], [], 512).notes
    assert "40.png" in note
    assert "60.png" not in note
    assert look_at_folders(faces, [], [], 64).notes == ()
