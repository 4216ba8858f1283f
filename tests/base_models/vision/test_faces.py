"""Faces, read by the miniature pack through insightface."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from insightface.app import FaceAnalysis
from PIL import Image

from base_models.vision.face_model import FaceModel, FacePackError, FaceReading
from base_models.vision.faces import load_faces
from base_models.vision.insightface_pack import InsightFacePack, detector_size, licence_of
from base_models.vision.licences import UNKNOWN_LICENCE
from foundation.errors import UserError
from miniature.paths import FOLDERS
from miniature.recipe.draw import draw_other, draw_person
from miniature.recipe.world import draw_identity_where, draw_scene

PACK = FOLDERS["faces"]


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_faces("miniature")


@pytest.fixture(scope="module")
def people() -> list[list[np.ndarray]]:
    """Five pictures each of six people that the recogniser was not trained on."""
    rng = random.Random(5)
    identities = [draw_identity_where(rng, held_out=True) for _ in range(6)]
    return [[draw_person(one, draw_scene(rng)).pixels for _ in range(5)] for one in identities]


def test_same_person_is_near_and_others_are_far(model: FaceModel, people: list[list[np.ndarray]]) -> None:
    readings = [[model.read(picture) for picture in pictures] for pictures in people]
    assert all(reading.count == 1 for one in readings for reading in one)
    vectors = np.array([[reading.embedding for reading in one] for one in readings])
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=-1) == pytest.approx(1.0, abs=1e-5)
    cosines = np.einsum("ied,jfd->ijef", vectors, vectors)
    same = np.eye(len(people), dtype=bool)
    assert cosines[same].mean() > 0.75
    assert cosines[~same].mean() < 0.35


def test_no_face_where_nobody_is(model: FaceModel) -> None:
    rng = random.Random(1)
    readings = [model.read(draw_other(rng)[0].pixels) for _ in range(10)]
    assert sum(reading.count for reading in readings) <= 1
    nothing = model.read(np.zeros((64, 64, 3), dtype=np.uint8))
    assert (nothing.count, nothing.embedding, nothing.detection_score) == (0, None, 0.0)


def side_by_side(small: np.ndarray, large: np.ndarray) -> np.ndarray:
    """A picture (96, 160, 3) of two people, one at 64 pixels and one at 96."""
    canvas = np.full((96, 160, 3), 255, dtype=np.uint8)
    canvas[:64, :64] = small
    canvas[:, 64:] = np.asarray(Image.fromarray(large).resize((96, 96)))
    return canvas


def test_the_largest_face_is_read_of_several(model: FaceModel, people: list[list[np.ndarray]]) -> None:
    pairs = [(people[at][0], people[at - 1][0]) for at in range(len(people))]
    both = [(model.read(side_by_side(*pair)), model.read(pair[0]), model.read(pair[1])) for pair in pairs]
    seen = [readings for readings in both if readings[0].count > 1]
    assert len(seen) >= 2, "the detector finds two people in some pictures of two"
    for reading, small, large in seen:
        assert float(reading.embedding @ large.embedding) > 0.7  # type: ignore[operator]
        assert float(reading.embedding @ small.embedding) < 0.6  # type: ignore[operator]


@pytest.fixture
def shown(people: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Pictures of one size and of others, with one face, two and none."""
    nobody = np.zeros((64, 64, 3), dtype=np.uint8)
    two = [side_by_side(people[at][0], people[at - 1][0]) for at in range(len(people))]
    return [nobody, *(picture for one in people for picture in one), *two, nobody]


def assert_same(found: list[FaceReading], expected: list[FaceReading]) -> None:
    assert [one.count for one in found] == [one.count for one in expected]
    assert [one.detection_score for one in found] == [one.detection_score for one in expected]
    for one, other in zip(found, expected, strict=True):
        if one.embedding is None or other.embedding is None:
            assert one.embedding is other.embedding
        else:
            np.testing.assert_allclose(one.embedding, other.embedding, rtol=0, atol=1e-5)


def test_many_pictures_are_read_as_one_by_one(model: FaceModel, shown: list[np.ndarray]) -> None:
    expected = [model.read(picture) for picture in shown]
    assert {one.count for one in expected} >= {0, 1, 2}
    assert_same(model.read_all(shown), expected)
    backwards = model.read_all(shown[::-1])[::-1]
    assert_same(backwards, expected)
    assert model.read_all([]) == []


def test_the_largest_faces_alone_are_embedded_and_together(
    model: FaceModel, shown: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(model, InsightFacePack)
    recogniser = model._analysis.models["recognition"]
    seen: list[int] = []
    embed = recogniser.get_feat

    def counted(crops: list[np.ndarray]) -> np.ndarray:
        seen.append(len(crops))
        return embed(crops)

    monkeypatch.setattr(recogniser, "get_feat", counted)
    expected = model.read_all(shown)
    assert seen == [sum(one.count > 0 for one in expected)]
    # A recogniser whose batch is fixed is shown one face at a time.
    monkeypatch.setattr(recogniser, "input_shape", [1, *recogniser.input_shape[1:]])
    assert_same(model.read_all(shown), expected)
    assert set(seen[1:]) == {1}


def test_a_picture_is_read_as_insightface_reads_it(model: FaceModel, people: list[list[np.ndarray]]) -> None:
    """insightface wants BGR, as OpenCV reads files; a picture here is RGB."""
    analysis = FaceAnalysis(name=str(PACK), allowed_modules=["detection", "recognition"])
    analysis.prepare(ctx_id=-1, det_size=(64, 64))
    picture = people[2][0]
    expected = analysis.get(picture[:, :, ::-1])[0]
    reading = model.read(picture)
    assert reading.embedding is not None
    assert float(reading.embedding @ expected.normed_embedding) == pytest.approx(1.0, abs=1e-5)
    assert reading.detection_score == pytest.approx(float(expected.det_score), abs=1e-5)


@pytest.mark.parametrize(
    ("shape", "size"), [((64, 64), 64), ((100, 60), 128), ((512, 768), 640), ((20, 10), 32), ((640, 640), 640)]
)
def test_detector_size_follows_the_picture(shape: tuple[int, int], size: int) -> None:
    assert detector_size(np.zeros((*shape, 3), dtype=np.uint8)) == size


def test_sizes_may_alternate(model: FaceModel, people: list[list[np.ndarray]]) -> None:
    small = people[3][0]
    large = np.asarray(Image.fromarray(small).resize((128, 128)))
    first, _, again = model.read(small), model.read(large), model.read(small)
    assert np.array_equal(first.embedding, again.embedding)  # type: ignore[arg-type]


def test_the_hash_follows_the_models_and_not_their_place(model: FaceModel, tmp_path: Path) -> None:
    for name in ("detector.onnx", "recogniser.onnx"):
        shutil.copy(PACK / name, tmp_path / name)
    assert load_faces(str(tmp_path)).sha256 == model.sha256
    assert len(model.sha256) == 64
    with (tmp_path / "recogniser.onnx").open("ab") as stream:
        stream.write(b"\x82\x01\x01x")  # an unknown field, which protobuf skips
    assert load_faces(str(tmp_path)).sha256 != model.sha256


@pytest.mark.parametrize(
    ("files", "lack"),
    [([], "no detection"), (["recogniser.onnx"], "no detection"), (["detector.onnx"], "no recognition")],
)
def test_a_pack_without_a_part_says_which(tmp_path: Path, files: list[str], lack: str) -> None:
    for name in files:
        shutil.copy(PACK / name, tmp_path / name)
    with pytest.raises(FacePackError, match=lack):
        load_faces(str(tmp_path))


def test_a_damaged_or_missing_pack_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "detector.onnx").write_bytes(b"not a model")
    with pytest.raises(FacePackError, match="cannot be loaded"):
        load_faces(str(tmp_path))
    with pytest.raises(UserError, match="no such face pack"):
        load_faces(str(tmp_path / "nowhere"))


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str], people: list[list[np.ndarray]]) -> None:
    load_faces("miniature").read(people[0][0])
    assert capfd.readouterr() == ("", "")


def test_licences(tmp_path: Path) -> None:
    assert licence_of(tmp_path / "buffalo_l").startswith("non-commercial")
    assert licence_of(tmp_path) == UNKNOWN_LICENCE
    (tmp_path / "LICENSE").write_text("\n# Apache License 2.0\n\nmore\n")
    assert licence_of(tmp_path) == "Apache License 2.0"
