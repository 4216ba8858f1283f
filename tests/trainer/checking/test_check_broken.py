"""What is broken gets a clear word, and is left as it was."""

from __future__ import annotations

import hashlib
import os
import shutil
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from foundation.files import sha256_of
from foundation.progress import Silent
from miniature.paths import SUBJECT
from planted_faults.file_faults import png_header
from trainer.checking.findings import Report
from trainer.checking.reading.kept_values import opened_values
from trainer.checking.request import NO_FACES, CheckRequest, NoDatasetError
from trainer.checking.settings import settings_of
from trainer.checking.whole.check import checked

KOHYA = "10_ohwx person"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Four sound pictures with captions, in a kohya folder."""
    place = tmp_path / "data" / KOHYA
    place.mkdir(parents=True)
    for path in sorted((SUBJECT / "Train" / "7_ohwx person").iterdir())[:8]:
        shutil.copy(path, place)
    return tmp_path / "data"


def checked_at(dataset: Path, tmp_path: Path) -> Report:
    return checked(
        CheckRequest(dataset, faces=NO_FACES, resolution=64, cache=tmp_path / "cache"),
        Silent(),
    )


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rules(report: Report) -> dict[str, Path | None]:
    return {one.rule: one.path for one in report.errors}


def test_a_sound_folder_is_ready_and_untouched(dataset: Path, tmp_path: Path) -> None:
    before = contents(dataset)
    assert checked_at(dataset, tmp_path).verdict == "ready"
    assert contents(dataset) == before


def test_a_subjects_folder_stands_for_the_configuration_in_it(dataset: Path, tmp_path: Path) -> None:
    subject = tmp_path / "hina"
    (subject / "lora").mkdir(parents=True)
    (subject / "train.toml").write_text(
        f'[model]\nbase = "miniature"\n[data]\ntrain = "{dataset}"\n[output]\nfolder = "lora"\nname = "hina"\n'
    )
    assert settings_of(CheckRequest(subject)).places == settings_of(CheckRequest(subject / "train.toml")).places


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "has no pictures and no folders"),
        (lambda path: path.write_text("x"), "is a file, not a folder"),
        (os.mkfifo, "is a named pipe"),
        (lambda path: None, "no such folder"),
    ],
)
def test_what_is_no_dataset_is_one_error(tmp_path: Path, make: object, words: str) -> None:
    path = tmp_path / "given"
    assert callable(make)
    make(path)
    with pytest.raises(NoDatasetError, match=words):
        checked_at(path, tmp_path)


def test_an_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "given.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(NoDatasetError, match="unpack it"):
        checked_at(tmp_path / "given.zip", tmp_path)


@pytest.mark.parametrize("size", [(50_000, 50_000), (1, 65535), (65535, 1)])
def test_sizes_that_no_memory_holds_are_never_decoded(dataset: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    big = dataset / KOHYA / "big.png"
    big.write_bytes(png_header(*size))
    tracemalloc.start()
    report = checked_at(dataset, tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rules(report) == {"impossible_size": big}
    assert report.verdict == "fail"
    assert peak < 300 * 2**20


@pytest.mark.parametrize("content", [b"hello", b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_what_is_no_picture_is_named(dataset: Path, tmp_path: Path, content: bytes) -> None:
    path = dataset / KOHYA / "no picture.png"
    path.write_bytes(content)
    assert rules(checked_at(dataset, tmp_path)) == {"unreadable_picture": path}


def test_a_cut_picture_is_named(dataset: Path, tmp_path: Path) -> None:
    path = dataset / KOHYA / "00.png"
    path.write_bytes(path.read_bytes()[:-200])
    assert rules(checked_at(dataset, tmp_path)) == {"unreadable_picture": path}


def test_a_pipe_and_a_link_to_nothing_are_never_opened(dataset: Path, tmp_path: Path) -> None:
    os.mkfifo(dataset / KOHYA / "pipe.png")
    (dataset / KOHYA / "gone.png").symlink_to(tmp_path / "not there")
    found = [one.path for one in checked_at(dataset, tmp_path).errors]
    assert found == [dataset / KOHYA / "gone.png", dataset / KOHYA / "pipe.png"]


def test_a_caption_that_is_no_text_is_named_with_its_byte(dataset: Path, tmp_path: Path) -> None:
    path = dataset / KOHYA / "00.txt"
    path.write_bytes(b"ohwx person \xff\xfe")
    (found,) = checked_at(dataset, tmp_path).errors
    assert (found.rule, found.path) == ("caption_no_text", path)
    assert "byte 12" in found.said


def test_a_caption_that_no_caption_is_as_long_as_is_named_and_not_read(dataset: Path, tmp_path: Path) -> None:
    path = dataset / KOHYA / "00.txt"
    os.truncate(path, 3 * 2**30)
    (found,) = checked_at(dataset, tmp_path).errors
    assert (found.rule, found.path) == ("caption_no_text", path)
    assert "has 3,221,225,472 bytes, and 65,536 are the most" in found.said


def test_a_picture_of_a_name_that_is_no_text_is_checked_and_kept(dataset: Path, tmp_path: Path) -> None:
    path = dataset / KOHYA / os.fsdecode(b"odd\xff.png")
    (dataset / KOHYA / "00.png").rename(path)
    (dataset / KOHYA / "00.txt").rename(path.with_suffix(".txt"))
    assert rules(checked_at(dataset, tmp_path)) == {}
    with opened_values(tmp_path / "cache") as kept:
        assert kept.hashes([path]) == {path: sha256_of(path)}


def test_a_folder_that_may_not_be_read_is_named(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from base_models.pictures import listing

    closed = dataset / "5_ohwx person"
    closed.mkdir()
    real = listing.list_folder

    def refused(folder: Path) -> listing.Listing:
        if folder == closed:
            raise PermissionError(13, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr("trainer.checking.survey.list_folder", refused)
    assert rules(checked_at(dataset, tmp_path)) == {"folder_unreadable": closed}


def test_many_files_are_all_looked_at(tmp_path: Path) -> None:
    place = tmp_path / "data" / "1_ohwx person"
    place.mkdir(parents=True)
    for number in range(300):
        Image.new("RGB", (8, 8), (number % 256, number // 2, 90)).save(place / f"{number}.png")
    report = checked_at(tmp_path / "data", tmp_path)
    assert len(report.pictures) == 300


def test_a_second_check_reads_no_picture(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = checked_at(dataset, tmp_path)

    def unasked(*asked: object) -> None:
        raise AssertionError(asked)

    monkeypatch.setattr("trainer.checking.reading.reading.measure", unasked)
    assert checked_at(dataset, tmp_path) == first


def test_a_changed_picture_is_read_again_and_a_damaged_store_is_made_anew(dataset: Path, tmp_path: Path) -> None:
    assert checked_at(dataset, tmp_path).verdict == "ready"
    path = dataset / KOHYA / "00.png"
    path.write_bytes(b"no picture any more")
    assert rules(checked_at(dataset, tmp_path)) == {"unreadable_picture": path}
    (tmp_path / "cache" / "measured.sqlite").write_bytes(b"damaged" * 1000)
    assert rules(checked_at(dataset, tmp_path)) == {"unreadable_picture": path}
