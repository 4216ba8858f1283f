"""What a folder stands for, where a run's configuration lies in it, and which pictures are whose."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from foundation.progress import Silent
from miniature.paths import SUBJECT
from trainer.checking.request import NO_FACES, CheckRequest
from trainer.checking.settings import Role, Settings, settings_of
from trainer.checking.survey import surveyed
from trainer.checking.whole.check import checked
from trainer.config.config import read_config

PICTURES = sorted((SUBJECT / "Train" / "7_ohwx person").iterdir())


def put(place: Path, first: int, count: int) -> None:
    place.mkdir(parents=True)
    for path in PICTURES[2 * first : 2 * (first + count)]:
        shutil.copy(path, place)


@pytest.fixture
def subject(tmp_path: Path) -> Path:
    """As `trainer init --hold-out --move` leaves it: the data elsewhere, references and what a run wrote in it."""
    put(tmp_path / "data" / "Train" / "7_ohwx person", 0, 4)
    put(tmp_path / "zara" / "references", 4, 2)
    put(tmp_path / "zara" / "lora" / "zara-samples", 6, 2)
    (tmp_path / "zara" / "train.toml").write_text(
        'preset = "miniature"\n[model]\nbase = "miniature"\n[data]\ntrain = "../data/Train"\n'
        'held_out = "references"\nresolution = 64\n[output]\nfolder = "lora"\nname = "zara"\n'
    )
    return tmp_path / "zara"


def places(settings: Settings, start: Path) -> dict[str, str]:
    return {os.path.relpath(one.path, start): one.role.value for one in settings.places}


def test_the_folder_of_a_subject_is_checked_as_its_configuration_is(subject: Path) -> None:
    whole, file = (checked(CheckRequest(one, faces=NO_FACES, cache=subject.parent / "cache"), Silent()) for one in
                   (subject, subject / "train.toml"))  # fmt: skip
    assert whole.findings == file.findings
    assert whole.facts == file.facts
    assert whole.facts["pictures"] == "4 train, 2 reference"
    assert whole.facts["resolution"] == "64 px, cut to the square"
    assert whole.verdict != "fail"


def test_the_folder_of_a_subject_stands_for_its_configuration_in_every_command(subject: Path) -> None:
    assert read_config(subject) == read_config(subject / "train.toml")


def test_a_configuration_that_names_other_pictures_than_the_train_beside_it_is_followed(subject: Path) -> None:
    """As after `trainer prepare`: what will be trained on is the copy."""
    put(subject / "Train" / "7_ohwx person", 4, 1)
    put(subject / "Reg" / "1_person", 5, 1)
    assert places(settings_of(CheckRequest(subject)), subject) == {"../data/Train": "train", "references": "reference"}


def test_what_lies_beside_the_train_of_a_folder_that_is_asked_for_is_looked_at_too(subject: Path) -> None:
    shutil.move(subject.parent / "data" / "Train", subject / "Train")
    put(subject / "Reg" / "1_person", 5, 1)
    path = subject / "train.toml"
    path.write_text(path.read_text().replace("../data/Train", "Train").replace('held_out = "references"', ""))
    asked, named = settings_of(CheckRequest(subject)), settings_of(CheckRequest(path))
    assert places(asked, subject) == {"Train": "train", "Reg": "reg", "references": "reference"}
    assert places(named, subject) == {"Train": "train"}


def test_references_beside_kohyas_folders_are_not_taken_for_training_pictures(tmp_path: Path) -> None:
    """Read twice, each would be called a copy of itself."""
    put(tmp_path / "7_ohwx person", 0, 4)
    put(tmp_path / "references", 4, 2)
    survey = surveyed(settings_of(CheckRequest(tmp_path)).places)
    assert len(survey.by_role[Role.REFERENCE]) == 2
    assert len(survey.train) == 4
    found = {one.rule for one in checked(CheckRequest(tmp_path, faces=NO_FACES, cache=tmp_path), Silent()).findings}
    assert "reference_trained" not in found
    assert "folder_skipped" in found
