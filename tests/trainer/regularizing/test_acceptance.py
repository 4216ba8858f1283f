"""What is kept as a reg picture: drawn people are judged by the miniature's own face pack."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from base_models.drawing.png import read_picture
from base_models.vision.faces import load_faces
from miniature.paths import SUBJECT
from trainer.regularizing.acceptance import Acceptance, likeness_of
from trainer.regularizing.journal import Drawn, OtherPicturesError, open_journal

TRAINED = sorted(SUBJECT.glob("Train/7_*/*.png"))
HELD_OUT = sorted(SUBJECT.glob("references/*.png"))
OTHERS = sorted(SUBJECT.glob("Reg/*/*.png"))


def picture(path: Path) -> np.ndarray:
    return read_picture(path).astype(np.float32) / 255


@pytest.fixture(scope="module")
def acceptance() -> Acceptance:
    faces = load_faces("miniature", device="cpu")
    known = [faces.read(read_picture(path)).embedding for path in TRAINED]
    made = Acceptance(faces, likeness_of([one for one in known if one is not None]))
    for path in TRAINED:
        made.add_trained(path.name, read_picture(path))
    return made


def test_pictures_of_the_subject_that_were_never_seen_are_all_rejected(acceptance: Acceptance) -> None:
    found = [acceptance.look_at(path.name, picture(path)) for path in HELD_OUT]
    assert {one.fault for one in found} <= {"like the subject", "a training picture"}


def test_others_are_kept_once_and_a_copy_is_rejected(acceptance: Acceptance) -> None:
    found = [acceptance.look_at(path.name, picture(path)) for path in OTHERS[:12]]
    assert sum(one.fault is None for one in found) >= 11
    kept = next(path for path, one in zip(OTHERS, found, strict=False) if one.fault is None)
    again = acceptance.look_at("again", np.clip(picture(kept)[:, ::-1] * 0.97 + 0.01, 0, 1))
    assert (again.fault, again.beside) == ("there already", kept.name)


@pytest.mark.parametrize(
    ("drawn", "fault"),
    [
        (np.zeros((64, 64, 3), np.float32), "shows nothing"),
        (np.full((64, 64, 3), np.nan, np.float32), "shows nothing"),
        (np.linspace(0, 1, 64 * 64 * 3, dtype=np.float32).reshape(64, 64, 3), "no face"),
    ],
)
def test_what_shows_nobody_is_rejected(acceptance: Acceptance, drawn: np.ndarray, fault: str) -> None:
    assert acceptance.look_at("one", drawn).fault == fault


def test_without_faces_nobody_is_looked_for() -> None:
    blank = Acceptance(None, None)
    assert blank.look_at("one", picture(HELD_OUT[0])).fault is None
    assert likeness_of([]) is None


def test_a_journal_is_begun_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill before the file is in place leaves none, so the next call begins it."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            open_journal(tmp_path, "one")
    assert not (tmp_path / ".regularize.jsonl").exists()
    assert open_journal(tmp_path, "one").drawn == []


def test_a_journal_goes_on_behind_a_line_that_a_kill_cut_short(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, "one")
    journal.add([Drawn(1, 0, None, 0.5), Drawn(2, 0, "no face")])
    with journal.path.open("a", encoding="utf-8") as stream:
        stream.write('{"place": 2, "atte')
    again = open_journal(tmp_path, "one")
    assert [again.next_attempt(place) for place in (1, 2, 3)] == [1, 1, 0]
    again.add([Drawn(2, 1, None)])
    assert open_journal(tmp_path, "one").next_attempt(2) == 2
    with pytest.raises(OtherPicturesError, match="--output"):
        open_journal(tmp_path, "other")
