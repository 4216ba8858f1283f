"""Each planted fault is found where it was planted; a good folder is accused of nothing; what is measured is right."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from foundation.errors import ConfigurationError
from foundation.progress import Silent
from planted_faults.good_sets import GoodSet, write_good_set
from planted_faults.judged import FAULTS, TRUE_OF_DRAWINGS, judged
from planted_faults.planting import Fault
from trainer.__main__ import app
from trainer.checking.evidence import Evidence
from trainer.checking.findings import Severity
from trainer.checking.measures.background import busyness
from trainer.checking.measures.face_angles import angles_of
from trainer.checking.measures.measured import FaceMeasured
from trainer.checking.phrases import ENGLISH, any_of, read_phrases
from trainer.checking.reporting.rules_listing import rules_table
from trainer.checking.request import NO_FACES, CheckRequest
from trainer.checking.rules import trigger_rows
from trainer.checking.rules.face_rules import face_findings
from trainer.checking.rules.table import RULES, rule_keys
from trainer.checking.settings import settings_of
from trainer.checking.subject_words import subject_of, token_counts
from trainer.checking.survey import surveyed
from trainer.checking.thresholds import Thresholds, read_thresholds, threshold_keys
from trainer.checking.whole.check import checked

ROOT = Path(__file__).resolve().parents[3]
# Those that take no face pack: the rest is in benchmarks/check.py.
IN_WORDS = [
    one
    for one in FAULTS
    if one.name in ("no trigger", "trigger in part", "also named", "a name", "invented", "saved as UTF-16")
]
TOGETHER = ["changed copy", "out of focus", "somebody else", "unreadable", "long caption", "reg of the subject"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> GoodSet:
    return write_good_set(tmp_path_factory.mktemp("drawn") / "people", "person", 0)


@pytest.fixture
def things(tmp_path: Path, drawn_things: GoodSet) -> GoodSet:
    """A copy of one's own."""
    shutil.copytree(drawn_things.folder, tmp_path / "things")
    return replace(drawn_things, folder=tmp_path / "things")


@pytest.fixture(scope="module")
def drawn_things(tmp_path_factory: pytest.TempPathFactory) -> GoodSet:
    return write_good_set(tmp_path_factory.mktemp("drawn") / "things", "thing", 0)


def test_a_good_folder_of_people_is_ready(people: GoodSet, tmp_path: Path, cache: Path) -> None:
    found = judged(tmp_path / "good", people, (), 0, cache)
    assert (found.errors, found.mends, found.false) == (0, 0, ())


def test_faults_are_found_where_they_are_and_nowhere_else(people: GoodSet, tmp_path: Path, cache: Path) -> None:
    faults = [one for one in FAULTS if one.name in TOGETHER]
    assert len(faults) == len(TOGETHER)
    found = judged(tmp_path / "planted", people, faults, 1, cache)
    assert (found.missed, found.false) == ((), ())


@pytest.mark.parametrize("fault", IN_WORDS, ids=lambda fault: fault.name)
def test_words_are_looked_at(people: GoodSet, tmp_path: Path, cache: Path, fault: Fault) -> None:
    found = judged(tmp_path / "planted", people, [fault], 2, cache)
    assert (found.missed, found.false) == ((), ())


def test_the_command_says_it_and_ends_with_its_answer(things: GoodSet, tmp_path: Path, cache: Path) -> None:
    good = things
    asked = ["check", str(good.folder), "--cache", str(cache)]
    assert CliRunner().invoke(app, asked).exit_code == 0
    good.pictures()[0].write_bytes(b"no picture")
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, [*asked, "--json", "--html", str(page)])
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["verdict"] == "fail"
    assert [one["rule"] for one in told["findings"] if one["severity"] == "error"] == ["unreadable_picture"]
    assert "Will fail" in page.read_text(encoding="utf-8")


def test_the_page_escapes_names_and_captions(things: GoodSet, tmp_path: Path, cache: Path) -> None:
    good = things
    one = good.pictures()[0]
    hostile = one.with_name("<img src=x onerror=alert(1)>.png")
    one.rename(hostile)
    one.with_suffix(".txt").unlink()
    hostile.with_suffix(".txt").write_text("ohwx robot, <script>alert(1)</script>, take a cell phone", encoding="utf-8")
    page = tmp_path / "page.html"
    CliRunner().invoke(app, ["check", str(good.folder), "--cache", str(cache), "--html", str(page)])
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "http://" not in text
    assert "https://" not in text


def test_a_rule_can_be_left_out_and_a_threshold_moved(things: GoodSet, tmp_path: Path, cache: Path) -> None:
    good = things
    thresholds = tmp_path / "mine.toml"
    asked = CheckRequest(good.folder, thresholds=thresholds, cache=cache)
    thresholds.write_text('off = ["reg_repeated", "small_sources"]', encoding="utf-8")
    assert checked(asked, Silent()).findings == ()
    thresholds.write_text("[quality]\nblur = 0.01\nblur_by_median = 1.0", encoding="utf-8")
    assert {one.rule for one in checked(asked, Silent()).of(Severity.MEND)} == {"soft"}
    thresholds.write_text('off = ["soff"]', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="did you mean `soft`"):
        checked(asked, Silent())


def test_every_rule_says_what_to_do_and_its_threshold_exists() -> None:
    keys = {one.key for one in threshold_keys()}
    assert len(set(rule_keys())) == len(RULES)
    assert all(one.title and one.advice and one.source for one in RULES)
    assert {one.limit for one in RULES if one.limit} <= keys
    assert read_thresholds(None) == Thresholds()


def test_the_docs_have_the_table_of_rules() -> None:
    assert rules_table() in (ROOT / "docs" / "checking.md").read_text(encoding="utf-8")


def test_every_rule_about_pictures_and_words_is_planted() -> None:
    """But for those that drawings cannot show: heads that turn, moods and light, a likeness halfway; and what a base
    model is asked, which `benchmarks/before_training/pollution.py` measures."""
    planted_in = ROOT / "benchmarks" / "planted_faults"
    text = "".join(path.read_text(encoding="utf-8") for path in planted_in.glob("*.py"))
    elsewhere = {
        *TRUE_OF_DRAWINGS, "folder_unreadable", "twin_references", "no_faces", "side_view", "many_side_views",
        "one_look", "no_left", "no_right", "reg_like_subject", "unsaid_expression", "unsaid_gaze",
        "unsaid_background", "mostly_unsaid_expression", "mostly_unsaid_gaze", "mostly_unsaid_background",
        *(one.key for one in trigger_rows.ROWS),
    }  # fmt: skip
    assert [key for key in rule_keys() if key not in elsewhere and not re.search(rf'"{key}["|]', text)] == []


@pytest.mark.parametrize("degrees", [-50, -20, 0, 20, 50])
def test_a_turned_head_is_told_by_its_nose(degrees: int) -> None:
    """Points of a face in space, turned and seen from the front."""
    turn = np.radians(degrees)
    face = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.6, 0.5], [-0.4, 1.1, 0.1], [0.4, 1.1, 0.1]])
    seen = face @ np.array([[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]])
    angles = angles_of(seen[:, :2] * 100 + 300)
    assert angles is not None
    assert angles.yaw == pytest.approx(degrees, abs=12)


def test_a_busy_background_is_one_around_the_person_alone() -> None:
    box = (0.35, 0.3, 0.65, 0.6)
    plain = np.full((128, 128), 0.5, dtype=np.float32)
    checks = (np.indices((128, 128)) // 8).sum(0) % 2
    assert busyness(plain, box) == 0
    assert busyness(checks.astype(np.float32), box) > 0.3
    inside = plain.copy()
    inside[45:70, 50:78] = checks[45:70, 50:78]
    assert busyness(inside, box) == 0


def test_the_subject_is_called_as_its_folder_says(things: GoodSet) -> None:
    good = things
    train = surveyed(settings_of(CheckRequest(good.folder)).places).train
    found = subject_of(train, None, None)
    assert (found.trigger, found.word, found.class_word, found.is_person) == ("ohwx robot", "ohwx", "robot", False)
    assert subject_of(train, "zwx woman", "woman").is_person


def test_tokens_are_counted_as_clip_does() -> None:
    long = ", ".join(["a photo of a cat"] * 20)
    assert token_counts(["a photo of a cat", long]) == {"a photo of a cat": 5, long: 20 * 5 + 19}


def test_phrases_are_whole_words_and_can_be_ones_own(tmp_path: Path) -> None:
    found = any_of(["take a cell phone", "grin"])
    assert found.search("she Takes, TAKE  a cell phone")
    assert not found.search("a grinning cat")
    own = tmp_path / "de.toml"
    own.write_text('language = "German"\ninvented = ["ein Handy"]\n[said]\ngaze = ["blickt"]', encoding="utf-8")
    phrases = read_phrases(own)
    assert phrases.says("sie blickt her", "gaze")
    assert phrases.says("sie", "background")
    assert read_phrases(ENGLISH).says("a smiling woman", "expression")


def test_faces_are_not_looked_for_where_that_is_asked(people: GoodSet, cache: Path) -> None:
    good = people
    report = checked(CheckRequest(good.folder, faces=NO_FACES, cache=cache), Silent())
    assert any("faces: not looked at" in one for one in report.unmeasured)
    assert report.verdict == "ready"


@pytest.mark.parametrize(
    ("box", "rules"),
    [
        ((0.35, 0.2, 0.65, 0.5), set()),
        ((0.2, 0.3, 0.8, 0.97), {"no_shoulders"}),
        ((-0.1, 0.2, 0.3, 0.6), {"face_at_edge"}),
        ((0.5, 0.5, 0.54, 0.54), {"small_face"}),
    ],
)
def test_a_face_is_whole_large_enough_and_has_shoulders(
    things: GoodSet, cache: Path, monkeypatch: pytest.MonkeyPatch, box: tuple[float, ...], rules: set[str]
) -> None:
    """Whatever a detector answers: the miniature's sees no cut faces."""
    face = FaceMeasured(1, 0, 0.9, box, (), np.eye(4)[0], np.empty(0), 0.8, 0.0, 0.5)  # pyright: ignore[reportArgumentType]
    seen: list[Evidence] = []
    monkeypatch.setattr(
        "trainer.checking.whole.check.findings_of", lambda evidence, phrases: seen.append(evidence) or ()
    )
    checked(CheckRequest(things.folder, cache=cache), Silent())
    one = next(each for each in seen[0].pictures if each.role == "train")
    shown = replace(one, measured=replace(one.measured, face=face, faces_read=True))
    evidence = replace(seen[0], pictures=(shown,), people=np.zeros(1, dtype=int), has_faces=True)
    assert {found.rule for found in face_findings(evidence)} == rules
