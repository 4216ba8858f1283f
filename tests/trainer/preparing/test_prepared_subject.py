"""A subject's folder that is prepared: what its configuration has to say then, and that it works there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from foundation.progress import Silent
from miniature.paths import SUBJECT
from trainer.checking.request import NO_FACES, CheckRequest
from trainer.config.config import read_config
from trainer.preparing.copying import OtherCopyError
from trainer.preparing.prepared_in_words import default_copy, prepared_lines
from trainer.preparing.preparing import Prepared, prepare

PICTURES = sorted((SUBJECT / "Train" / "7_ohwx person").iterdir())
HEAD = 'preset = "miniature"\n[model]\nbase = "miniature"\n[output]\nfolder = "lora"\nname = "zara"\n'


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name, first, count in (("data/Train/7_ohwx person", 0, 4), ("zara/references", 4, 2)):
        Path(name).mkdir(parents=True)
        for path in PICTURES[2 * first : 2 * (first + count)]:
            shutil.copy(path, name)
    return Path("zara")


def configured(subject: Path, text: str) -> Path:
    (subject / "train.toml").write_text(HEAD + text)
    return subject


def prepared(dataset: Path, **more: Path) -> Prepared:
    copy = more.get("to") or default_copy(dataset)
    return prepare(CheckRequest(dataset, faces=NO_FACES), copy, frozenset(), Silent())


def told(one: Prepared) -> str:
    """The lines to write, as they stand in the terminal."""
    lines = prepared_lines(one, 100)
    start = next(at for at, line in enumerate(lines) if line.startswith("Next:"))
    return "\n".join(line.strip() for line in lines[start + 1 :] if line.startswith("    "))


@pytest.mark.parametrize("given", ["zara", "zara/train.toml"])
def test_the_lines_that_are_told_have_the_run_read_the_copy(subject: Path, given: str) -> None:
    configured(subject, '[data]\ntrain = "../data/Train"\nheld_out = "references"\n')
    lines = told(prepared(Path(given)))
    assert lines == '[data]\ntrain = "../zara-prepared/Train"\nheld_out = "../zara-prepared/references"'
    data = read_config(configured(subject, lines + "\n")).data
    assert (data.train, data.held_out) == (
        Path("zara-prepared/Train").resolve(),
        Path("zara-prepared/references").resolve(),
    )
    assert data.train is not None
    assert len(list(data.train.rglob("*.png"))) == 4


def test_references_of_the_samples_are_not_made_captioned_ones(subject: Path) -> None:
    """Without captions they would stop the run as `held_out`."""
    own = '[samples]\nprompts = ["a"]\nfaces = "miniature"\nreferences = "references"\n'
    configured(subject, f'[data]\ntrain = "../data/Train"\n{own}')
    assert told(prepared(subject)).endswith('[samples]\nreferences = "../zara-prepared/references"')


def test_folders_that_are_named_one_by_one_are_to_be_taken_out(subject: Path) -> None:
    """Else the run reads the original beside the copy."""
    configured(subject, '[[data.folders]]\npath = "../data/Train/7_ohwx person"\nrepeats = 7\n')
    assert any("take its [[data.folders]] out" in line for line in prepared_lines(prepared(subject), 100))


def test_the_file_and_its_folder_are_one_dataset(subject: Path) -> None:
    configured(subject, '[data]\ntrain = "../data/Train"\n')
    assert prepared(subject).copy == prepared(subject / "train.toml").copy
    (subject / "other.toml").write_text((subject / "train.toml").read_text())
    with pytest.raises(OtherCopyError, match=r"is a copy of .*zara/train\.toml"):
        prepared(subject / "other.toml")


def test_a_copy_is_never_written_where_the_dataset_is_read(subject: Path) -> None:
    configured(subject, '[data]\ntrain = "../data/Train"\n')
    with pytest.raises(OtherCopyError, match="the dataset itself is read from there"):
        prepared(subject, to=Path("data/Train/copy"))
    configured(subject, told(prepared(subject)) + "\n")
    before = sorted(os.walk("zara-prepared"))
    with pytest.raises(OtherCopyError, match="the dataset itself is read from there"):
        prepared(subject)
    assert sorted(os.walk("zara-prepared")) == before


def test_without_a_configuration_whole_paths_are_told(subject: Path) -> None:
    assert told(prepared(Path("data"))) == f'[data]\ntrain = "{Path("data-prepared/Train").resolve()}"'
