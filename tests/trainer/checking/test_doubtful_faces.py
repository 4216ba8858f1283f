"""Where a face pack finds few faces it is doubted, and not they; blur is told of pictures that are blown up, too."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from base_models.model_hub import NotFetchedError
from base_models.vision.face_model import FaceReading
from foundation.errors import ConfigurationError
from foundation.progress import Silent
from miniature.paths import SUBJECT
from trainer.checking.evidence import Evidence, Looked
from trainer.checking.findings import Finding
from trainer.checking.measures.measured import FaceMeasured
from trainer.checking.measures.picture_measures import measure
from trainer.checking.models_asked import NO_PERSON
from trainer.checking.phrases import ENGLISH, read_phrases
from trainer.checking.reporting.page import check_page_place
from trainer.checking.request import NO_FACES, CheckRequest, NoDatasetError
from trainer.checking.rules.face_rules import face_findings
from trainer.checking.rules.reg_rules import reg_findings
from trainer.checking.rules.table import findings_of
from trainer.checking.whole.check import checked
from trainer.checking.whole.trigger_on_base import check_base
from trainer.config.config import parse_config

FACE = FaceMeasured(1, 0, 0.9, (0.3, 0.2, 0.6, 0.5), (), np.eye(4)[0], np.empty(0), 0.8, 0.0, 0.5)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Of eight training and eight reg pictures of a woman; no face was looked for yet."""
    place = tmp_path_factory.mktemp("data")
    for folder, source, many in (("Train/7_zwx woman", "Train/7_ohwx person", 16), ("Reg/1_woman", "Reg/1_person", 16)):
        (place / folder).mkdir(parents=True)
        for path in sorted((SUBJECT / source).iterdir())[:many]:
            shutil.copy(path, place / folder)
    seen: list[Evidence] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.checking.whole.check.findings_of", lambda one, phrases: seen.append(one) or ())
        checked(CheckRequest(place, faces=NO_FACES, resolution=64, cache=place / "cache"), Silent())
    return seen[0]


def with_faces(evidence: Evidence, train: int, reg: int) -> Evidence:
    """A face in so many of each."""
    left = {"train": train, "reg": reg}
    pictures: list[Looked] = []
    for one in evidence.pictures:
        left[one.role] -= 1
        face = FACE if left[one.role] >= 0 else None
        pictures.append(replace(one, measured=replace(one.measured, face=face, faces_read=True)))
    return replace(evidence, pictures=tuple(pictures), people=np.zeros(train, dtype=int), has_faces=True)


def told(found: list[Finding]) -> list[tuple[str, bool]]:
    """Each rule about missing faces, and whether it accuses one picture."""
    rules = ("no_faces", "no_face", "reg_wrong_class")
    return [(one.rule, one.path is not None) for one in found if one.rule in rules]


@pytest.mark.parametrize(
    ("train", "reg", "rules"),
    [
        (0, 0, [("no_faces", False)]),
        (1, 0, [("no_faces", False)]),
        (7, 7, [("no_face", True), ("reg_wrong_class", True)]),
        (8, 1, [("reg_wrong_class", False)]),
    ],
)
def test_few_faces_are_one_finding(evidence: Evidence, train: int, reg: int, rules: list[tuple[str, bool]]) -> None:
    asked = with_faces(evidence, train, reg)
    assert told([*face_findings(asked), *reg_findings(asked)]) == rules


def test_what_lies_on_its_head_is_to_be_turned(evidence: Evidence) -> None:
    asked = with_faces(evidence, 7, 8)
    last = max(at for at, one in enumerate(asked.pictures) if one.role == "train")
    turned = replace(asked.pictures[last], measured=replace(asked.pictures[last].measured, turn=180))
    asked = replace(asked, pictures=(*asked.pictures[:last], turned, *asked.pictures[last + 1 :]))
    (found,) = [one for one in face_findings(asked) if one.rule == "no_face"]
    assert found.advice == "turn it upside down"


def test_a_face_is_looked_for_in_a_picture_as_it_was_taken_and_turned(tmp_path: Path) -> None:
    """A small picture is not blown up for it; where the face is found it is told in shares."""
    path, sizes = tmp_path / "one.png", list[tuple[int, ...]]()
    marked = np.zeros((40, 60, 3), dtype=np.uint8)
    marked[-1, -1] = 255
    Image.fromarray(marked).save(path)
    values: dict[str, object] = {
        "model": {"base": "miniature"},
        "data": {"train": "x", "resolution": 256},
        "output": {"folder": "x", "name": "x"},
    }
    data = parse_config(values, Path("x.toml")).data

    def read(pixels: np.ndarray) -> FaceReading:
        sizes.append(pixels.shape[:2])
        if not pixels[0, 0, 0]:
            return FaceReading(0, None, 0.0)
        return FaceReading(1, np.eye(4)[0], 0.9, box=np.array([30.0, 10.0, 45.0, 30.0]))

    seen = measure(path, "", data, read).measured
    assert (seen.face, seen.turn, sizes) == (None, 180, [(40, 60)] * 2)
    marked[0, 0] = 255
    Image.fromarray(marked).save(path)
    seen = measure(path, "", data, read).measured
    assert seen.face is not None
    assert seen.face.box == pytest.approx((0.5, 0.25, 0.75, 0.75))


@pytest.mark.parametrize(("radius", "rules"), [(0, {"enlarged"}), (5, {"enlarged", "soft"})])
def test_blur_is_what_blowing_up_cannot_explain(tmp_path: Path, radius: int, rules: set[str]) -> None:
    import skimage.data

    folder = tmp_path / "set" / "5_ohwx robot"
    folder.mkdir(parents=True)
    shipped = Image.fromarray(skimage.data.astronaut())
    shipped.filter(ImageFilter.GaussianBlur(radius)).save(folder / "one.png")
    for turn in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180):
        shipped.transpose(turn).save(folder / f"{turn}.png")
    report = checked(CheckRequest(tmp_path / "set", resolution=768, cache=tmp_path / "cache"), Silent())
    own = [one.rule for one in report.findings if one.path == folder / "one.png"]
    assert {rule for rule in own if rule in ("enlarged", "soft")} == rules


def test_what_cannot_be_is_said_before_pictures_are_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a folder; name a file in it"):
        check_page_place(tmp_path)
    with pytest.raises(ConfigurationError, match="there is no folder"):
        check_page_place(tmp_path / "nope" / "x.html")
    with pytest.raises(NoDatasetError, match="root of this machine"):
        checked(CheckRequest(Path("/")), Silent())
    (tmp_path / "1_a b").mkdir()
    with pytest.raises(NotFetchedError):
        check_base(CheckRequest(tmp_path, base="./nothere.safetensors"))
    assert "not in the list of words for people" in NO_PERSON


@pytest.mark.parametrize(
    ("white", "rules"),
    [(0.4, {"no_face"}), (0.8, {"burnt_out"}), (0.97, {"burnt_out", "no_face"}), (1.0, {"burnt_out", "no_face"})],
)
def test_a_picture_of_white_alone_is_burnt_out_or_shows_nobody_and_both_are_told(
    evidence: Evidence, white: float, rules: set[str]
) -> None:
    asked = with_faces(evidence, train=7, reg=8)
    (lost,) = (one for one in asked.train if one.face is None)
    pictures = tuple(
        replace(one, measured=replace(one.measured, burnt=white)) if one is lost else one for one in asked.pictures
    )
    found = findings_of(replace(asked, pictures=pictures), read_phrases(ENGLISH))
    assert {one.rule for one in found if one.path == lost.path} & {"no_face", "burnt_out"} == rules
