"""What is decided for every file of a copy, without a picture being looked at."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from base_models.pictures.picture_file import load_picture
from foundation.progress import Silent
from tiny import tiny_picture
from trainer.captioning.unwanted import Phrase, PhraseList
from trainer.checking.findings import CheckedPicture, Finding, Group, Report, Severity
from trainer.checking.request import CheckRequest, NoDatasetError
from trainer.checking.settings import Place, Role
from trainer.checking.survey import Survey, surveyed
from trainer.preparing.copying import JOURNAL, OtherCopyError, check_place, write_copy
from trainer.preparing.mends import ENOUGH, Manner, Piece, mending_of
from trainer.preparing.prepared_in_words import default_copy
from trainer.preparing.preparing import prepare

PHRASES = PhraseList((Phrase("take a cell phone", "en", "invented"),))
NAME = "5_ohwx person"
BARE = Manner("", PHRASES)


def survey_of(folder: Path) -> Survey:
    return surveyed((Place(folder / "Train", Role.TRAIN, is_parent=True),))


def report_of(
    folder: Path,
    *found: tuple[str, Path | None, tuple[Path, ...]],
    measured: dict[Path, dict[str, object]] | None = None,
) -> Report:
    findings = tuple(
        Finding(rule, Group.FILES, Severity.MEND, path, "title", "said", "do", "ours", others=others)
        for rule, path, others in found
    )
    pictures = tuple(
        CheckedPicture(path, "train", path.with_suffix(".txt").read_text(), figures)
        for path, figures in (measured or {}).items()
    )
    return Report(folder, findings, pictures)


def aside(folder: Path, report: Report) -> dict[str, str]:
    pieces = mending_of(survey_of(folder), report, BARE).pieces
    return {one.source.name: one.rule for one in pieces if one.done == "set aside"}


def side(pixels: int, **more: object) -> dict[str, object]:
    return {"width": pixels, "height": pixels, "format": "PNG", **more}


def by_source(pieces: tuple[Piece, ...]) -> dict[str, Piece]:
    return {one.source.name: one for one in pieces}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "set" / "Train" / NAME
    place.mkdir(parents=True)
    for number in range(3):
        tiny_picture(place / f"{number}.png", number)
        (place / f"{number}.txt").write_text(f"ohwx person, look {number}")
    return tmp_path / "set"


def test_what_is_sound_is_copied_as_it_is(folder: Path) -> None:
    mending = mending_of(survey_of(folder), report_of(folder), Manner("ohwx person", PHRASES))
    assert len(mending.pieces) == 6
    assert not any(one.done or one.anew or one.text is not None for one in mending.pieces)
    assert {one.target.parent for one in mending.pieces} == {Path("Train") / NAME}


def test_twice_the_same_keeps_the_larger_and_its_caption(folder: Path) -> None:
    small, large = (folder / "Train" / NAME / name for name in ("0.png", "1.png"))
    report = report_of(folder, ("near_same", large, (small,)), measured={small: side(64), large: side(512)})
    pieces = by_source(mending_of(survey_of(folder), report, Manner("", PHRASES)).pieces)
    assert pieces["0.png"].target == Path("aside/near_same/Train") / NAME / "0.png"
    assert pieces["0.txt"].target.parts[0] == "aside"
    assert pieces["1.png"].target == Path("Train") / NAME / "1.png"
    kept = Manner("", PHRASES, frozenset({"near_same"}))
    assert not any(one.target.parts[0] == "aside" for one in mending_of(survey_of(folder), report, kept).pieces)


def test_of_equals_the_lossless_upright_one_that_more_is_said_of_stays(folder: Path) -> None:
    one, other, third = (folder / "Train" / NAME / f"{number}.png" for number in range(3))
    found = ("near_same", other, (one,))
    lossy = {one: side(64, format="JPEG", jpeg_quality=95), other: side(64)}
    assert aside(folder, report_of(folder, found, measured=lossy)) == {"0.png": "near_same"}
    turned = {one: side(64, turned=True), other: side(64, turned=False)}
    assert aside(folder, report_of(folder, found, measured=turned)) == {"0.png": "near_same"}
    third.with_suffix(".txt").write_text("ohwx person, look 2, smiling")
    same = [("same_file", other, (one,)), ("near_same", third, (one,))]
    alike = {path: side(64) for path in (one, other, third)}
    assert aside(folder, report_of(folder, *same, measured=alike)) == {"0.png": "near_same", "1.png": "same_file"}
    third.with_suffix(".txt").write_text("")
    assert aside(folder, report_of(folder, *same, measured=alike)) == {"1.png": "same_file", "2.png": "near_same"}


def test_of_a_picture_that_is_both_what_is_wrong_there_goes(folder: Path) -> None:
    """By its face alone; where nobody knows it, both stay, and it is the user's to say."""
    train, reg = folder / "Train" / NAME / "0.png", folder / "Reg" / "1_person" / "a.png"
    reg.parent.mkdir(parents=True)
    reg.write_bytes(train.read_bytes())
    survey = surveyed((Place(folder / "Train", Role.TRAIN, is_parent=True), Place(folder / "Reg", Role.REG, True)))
    both = ("reg_is_train", reg, (train,))

    def gone(*more: tuple[str, Path, tuple[Path, ...]]) -> list[Path]:
        pieces = mending_of(survey, report_of(folder, both, *more), BARE).pieces
        return [one.source for one in pieces if one.done == "set aside"]

    assert gone() == []
    assert gone(("other_person", train, ())) == [train]
    assert gone(("reg_is_subject", reg, ())) == [reg]


def test_strangers_go_where_most_pictures_show_one_person(folder: Path) -> None:
    first, second = (folder / "Train" / NAME / f"{number}.png" for number in (1, 2))
    found = Finding("several_people", Group.FACES, Severity.ERROR, None, "title", "said", "do", "ours", others=(first,))
    gone = [one.source for one in mending_of(survey_of(folder), Report(folder, (found,), ()), BARE).pieces if one.done]
    assert gone == [first]
    both = replace(found, others=(first, second))
    assert not any(one.done for one in mending_of(survey_of(folder), Report(folder, (both,), ()), BARE).pieces)


def test_blurred_pictures_stay_where_too_few_would_be_left(folder: Path) -> None:
    place = folder / "Train" / NAME
    for number in range(3, ENOUGH + 2):
        tiny_picture(place / f"{number}.png", number)
    report = report_of(folder, *(("soft", place / f"{number}.png", ()) for number in range(5)))
    assert list(aside(folder, report)) == ["0.png", "1.png"]


def test_captions_get_the_trigger_and_lose_inventions_and_each_is_told(folder: Path) -> None:
    place = folder / "Train" / NAME
    (place / "0.txt").write_text("a woman, take a cell phone, smiling")
    (place / "1.txt").write_text("ohwx person\nsecond line")
    (place / "2.txt").write_bytes("ohwx person, caf\u00e9".encode("utf-16"))
    report = report_of(folder, ("no_trigger", place / "0.png", ()))
    pieces = by_source(mending_of(survey_of(folder), report, Manner("ohwx person", PHRASES)).pieces)
    assert pieces["0.txt"].text == "ohwx person, a woman, smiling"
    assert pieces["0.txt"].done == "trigger `ohwx person` put first; taken out: `take a cell phone`"
    assert (pieces["1.txt"].text, pieces["2.txt"].text) == ("ohwx person", "ohwx person, caf\u00e9")


@pytest.mark.parametrize("is_named", [True, False])
def test_a_trigger_that_no_caption_has_is_put_first_where_the_user_named_it(folder: Path, is_named: bool) -> None:
    """Else it is the folder's name alone that says it, and the captions may have another."""
    place = folder / "Train" / NAME
    for number in (0, 1):
        (place / f"{number}.txt").write_text(f"kat, number {number}")
    report = report_of(folder, ("never_trigger", None, (place / "0.png", place / "1.png")))
    manner = Manner("ohwx person", PHRASES, is_named=is_named)
    pieces = by_source(mending_of(survey_of(folder), report, manner).pieces)
    texts = ["ohwx person, kat, number 0", "ohwx person, kat, number 1"] if is_named else [None, None]
    assert [pieces["0.txt"].text, pieces["1.txt"].text] == texts
    assert pieces["0.txt"].rule == ("never_trigger" if is_named else "")


def test_odd_names_become_kohyas_and_pipes_are_left(folder: Path) -> None:
    (folder / "Train" / "loose").mkdir()
    tiny_picture(folder / "Train" / "loose" / "a.png", 9)
    tiny_picture(folder / "Train" / "b.png", 10)
    os.mkfifo(folder / "Train" / NAME / "pipe.png")
    (folder / "Train" / NAME / "below").mkdir()
    mending = mending_of(survey_of(folder), report_of(folder), Manner("", PHRASES))
    pieces = by_source(mending.pieces)
    assert pieces["a.png"].target == Path("Train/1_loose/a.png")
    assert "rename it" in pieces["a.png"].done
    assert pieces["b.png"].target == Path("Train/1_Train/b.png")
    assert {path.name for path in mending.left} == {"pipe.png", "below"}


def test_one_caption_of_two_pictures_becomes_two(folder: Path) -> None:
    Image.open(folder / "Train" / NAME / "0.png").convert("RGB").save(folder / "Train" / NAME / "0.jpg")
    targets = {one.target.name for one in mending_of(survey_of(folder), report_of(folder), Manner("", PHRASES)).pieces}
    assert {"0.jpg", "0.txt", "0-2.png", "0-2.txt"} <= targets


def written(folder: Path, copy: Path, report: Report) -> dict[str, bytes]:
    pieces = mending_of(survey_of(folder), report, Manner("", PHRASES)).pieces
    assert not write_copy(folder, copy, pieces, Silent())
    files = (path for path in copy.rglob("*") if path.is_file() and path.name != JOURNAL)
    return {str(path.relative_to(copy)): path.read_bytes() for path in files}


def test_a_dataset_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    missing = tmp_path / "nothere"
    with pytest.raises(NoDatasetError, match="no such folder"):
        prepare(CheckRequest(missing), default_copy(missing), frozenset(), Silent())


def test_a_turned_picture_is_saved_as_training_reads_it(folder: Path) -> None:
    path = folder / "Train" / NAME / "3.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(folder / "Train" / NAME / "0.png").crop((0, 0, 32, 20)).save(path, exif=exif)
    copy = folder.with_name("copy")
    written(folder, copy, report_of(folder, ("turned", path, ())))
    made = copy / "Train" / NAME / "3.png"
    assert Image.open(made).size == (20, 32)
    assert load_picture(made).tobytes() == load_picture(path).tobytes()


def test_a_copy_goes_on_and_follows_its_original(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy, before = folder.with_name("copy"), {path: path.read_bytes() for path in folder.rglob("*.*")}
    whole = written(folder, copy, report_of(folder))
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    times = {path: path.stat().st_mtime_ns for path in copy.rglob("*.png")}
    (copy / "Train" / NAME / "1.txt").unlink()
    (copy / JOURNAL).write_text((copy / JOURNAL).read_text()[:-40])  # a kill while the last line was written
    assert written(folder, copy, report_of(folder)) == whole
    unchanged = [path for path, time in times.items() if path.stat().st_mtime_ns == time]
    assert len(unchanged) >= len(times) - 1
    (folder / "Train" / NAME / "2.png").unlink()
    (folder / "Train" / NAME / "2.txt").unlink()
    assert set(written(folder, copy, report_of(folder))) == {name for name in whole if "/2." not in name}


PLACES: dict[str, Callable[[Path], Path]] = {
    "in the dataset or around": lambda folder: folder / "copy",
    "or around it": lambda folder: folder.parent,
    "was not made by": lambda folder: made(folder.with_name("mine")),
    "is a file": lambda folder: file(folder.with_name("file")),
    "is a copy of": lambda folder: copied(folder.with_name("another")),
}


def made(folder: Path) -> Path:
    folder.mkdir()
    (folder / "mine.txt").touch()
    return folder


def file(path: Path) -> Path:
    path.touch()
    return path


def copied(folder: Path) -> Path:
    folder.mkdir()
    (folder / JOURNAL).write_text('{"dataset": "/somewhere/else"}\n')
    return folder


@pytest.mark.parametrize("said", PLACES)
def test_a_copy_never_mixes_with_anything_else(folder: Path, said: str) -> None:
    with pytest.raises(OtherCopyError, match="--to"):
        check_place(folder, PLACES[said](folder))
