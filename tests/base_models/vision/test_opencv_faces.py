"""Faces by OpenCV's YuNet and SFace, on stand-ins of the same inputs and outputs."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from base_models.vision.face_model import FaceModel, FacePackError, largest_of
from base_models.vision.faces import load_faces
from base_models.vision.licences import UNKNOWN_LICENCE
from judge_models import SFACE, YUNET, opencv_folder, write_recogniser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return opencv_folder(tmp_path_factory.mktemp("opencv"))


@pytest.fixture(scope="module")
def model(folder: Path) -> FaceModel:
    return load_faces(f"opencv:{folder}")


def picture(height: int = 96, width: int = 128, *, small: bool = True, large: bool = True, side: int = 1) -> np.ndarray:
    """RGB, with a red square (a face of 16 pixels), a green one (of 48), or both, `side` times as large."""
    pixels = np.random.default_rng(0).integers(100, 110, (height, width, 3), dtype=np.uint8)
    if small:
        pixels[8:16, 80:88] = (255, 0, 0)
    if large:
        pixels[32:64, 32:64] = (0, 255, 0)
    return np.kron(pixels, np.ones((side, side, 1), dtype=np.uint8))


def test_faces_are_counted_and_the_largest_is_read(model: FaceModel) -> None:
    both, small, large, none = model.read_all(
        [picture(), picture(large=False), picture(small=False), picture(small=False, large=False)]
    )
    assert [one.count for one in (both, small, large, none)] == [2, 1, 1, 0]
    assert both.embedding is not None
    assert small.embedding is not None
    assert large.embedding is not None
    assert both.embedding.shape == (128,)
    assert both.embedding.dtype == np.float32
    assert np.linalg.norm(both.embedding) == pytest.approx(1.0, abs=1e-6)
    assert float(both.embedding @ large.embedding) == pytest.approx(1.0, abs=1e-5)
    assert float(both.embedding @ small.embedding) < 0.9
    assert 0.6 < both.detection_score <= 1
    assert both.look is not None
    assert (none.embedding, none.look, none.detection_score) == (None, None, 0.0)


def test_the_largest_box_and_its_rivals_are_told(model: FaceModel) -> None:
    twins = picture(large=False)
    twins[64:72, 24:32] = (255, 0, 0)
    both, small, two, none = model.read_all([picture(), picture(large=False), twins, picture(small=False, large=False)])
    assert [one.side for one in (both, small, two, none)] == pytest.approx([48, 16, 16, 0])
    assert [one.rivals for one in (both, small, two, none)] == [0, 0, 1, 0]
    assert model.input_side == 112


def test_half_the_largest_area_makes_a_rival() -> None:
    found = largest_of(np.array([49.0, 100.0, 50.0, 100.0]))
    assert (found.at, found.side, found.rivals) == (1, 10.0, 2)


def test_a_face_is_read_as_opencv_reads_it(model: FaceModel, folder: Path) -> None:
    bgr = np.ascontiguousarray(picture(large=False)[:, :, ::-1])
    detector = cv2.FaceDetectorYN.create(str(folder / YUNET), "", (bgr.shape[1], bgr.shape[0]), 0.6)
    recogniser = cv2.FaceRecognizerSF.create(str(folder / SFACE), "")
    row = detector.detect(bgr)[1][0]
    expected = recogniser.feature(recogniser.alignCrop(bgr, row)).ravel()
    found = model.read(bgr[:, :, ::-1])
    assert row[:4].tolist() == pytest.approx([76, 4, 16, 16])
    assert found.embedding == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)
    assert found.detection_score == pytest.approx(float(row[14]), abs=1e-6)


def test_the_order_of_pictures_and_their_sizes_do_not_matter(model: FaceModel) -> None:
    shown = [picture(), picture(large=False), picture(100, 130), picture(64, 96, small=True), picture(small=False)]
    forth, back = model.read_all(shown), model.read_all(shown[::-1])[::-1]
    for one, other in zip(forth, back, strict=True):
        assert one.count == other.count > 0
        assert np.array_equal(one.embedding, other.embedding)  # type: ignore[arg-type]


def test_a_large_picture_is_found_in_at_640_and_cut_from_as_it_is(
    model: FaceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    boxes = model._boxes  # type: ignore[attr-defined]
    monkeypatch.setattr(model, "_boxes", lambda bgr: seen.append(bgr.shape) or boxes(bgr))
    small, large = model.read(picture(480, 640)), model.read(picture(480, 640, side=3))
    assert seen == [(480, 640, 3), (480, 640, 3)]
    assert large.count == small.count == 2
    assert (small.side, large.side) == pytest.approx((48, 3 * 48))
    assert float(small.embedding @ large.embedding) > 0.99  # type: ignore[operator]


def test_files_of_other_names_are_told_by_what_they_put_out(model: FaceModel, tmp_path: Path) -> None:
    # In the alphabet the recogniser comes first.
    renamed = opencv_folder(tmp_path, detector="b.onnx", recogniser="a.onnx")
    found = load_faces(f"opencv:{renamed}")
    assert found.sha256 == model.sha256
    assert found.read(picture()).count == 2
    assert found.licence == UNKNOWN_LICENCE


@pytest.mark.parametrize("moved", [YUNET, SFACE])
def test_the_hash_covers_both_files(model: FaceModel, folder: Path, tmp_path: Path, moved: str) -> None:
    for name in (YUNET, SFACE):
        shutil.copy(folder / name, tmp_path / name)
    assert load_faces(f"opencv:{tmp_path}").sha256 == model.sha256
    with (tmp_path / moved).open("ab") as stream:
        stream.write(b"\x82\x01\x01x")  # an unknown field, which protobuf skips
    assert load_faces(f"opencv:{tmp_path}").sha256 != model.sha256


def test_the_licence_is_the_folders_or_the_published_one(model: FaceModel, tmp_path: Path) -> None:
    assert model.licence == "YuNet MIT, SFace Apache-2.0 (as published in the OpenCV Zoo)"
    opencv_folder(tmp_path)
    (tmp_path / "LICENSE").write_text("# Bought from somebody\n")
    assert load_faces(f"opencv:{tmp_path}").licence == "Bought from somebody"


def test_a_folder_that_is_short_of_a_file_says_which(tmp_path: Path) -> None:
    with pytest.raises(FacePackError, match=r"nowhere: no such folder; .*face_detection_yunet"):
        load_faces(f"opencv:{tmp_path / 'nowhere'}")
    opencv_folder(tmp_path)
    (tmp_path / SFACE).rename(tmp_path / "sface")
    with pytest.raises(FacePackError, match=r"no ONNX file in it is a recogniser \(SFace\); put face_detection"):
        load_faces(f"opencv:{tmp_path}")
    (tmp_path / "sface").rename(tmp_path / SFACE)
    (tmp_path / YUNET).unlink()
    with pytest.raises(FacePackError, match=r"is a detector \(YuNet\)"):
        load_faces(f"opencv:{tmp_path}")


def test_two_that_may_be_it_are_not_chosen_between(tmp_path: Path) -> None:
    opencv_folder(tmp_path)
    write_recogniser(tmp_path / "another.onnx")
    with pytest.raises(FacePackError, match=f"another.onnx and {SFACE} may each be the recogniser"):
        load_faces(f"opencv:{tmp_path}")


def test_what_opencv_cannot_run_is_said_at_once(tmp_path: Path) -> None:
    opencv_folder(tmp_path)
    write_recogniser(tmp_path / SFACE, side=64)
    with pytest.raises(FacePackError, match=r"OpenCV .* cannot run these models"):
        load_faces(f"opencv:{tmp_path}")
    (tmp_path / SFACE).write_bytes(b"not a model")
    with pytest.raises(FacePackError, match="not an ONNX model that can be read"):
        load_faces(f"opencv:{tmp_path}")


def test_nothing_is_printed(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_faces(f"opencv:{folder}").read(picture())
    assert capfd.readouterr() == ("", "")
