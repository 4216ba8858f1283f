"""Captions on the disk: nothing overwritten unless asked, undone, replaced, reviewed in a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from foundation.errors import DatasetError, UserError
from foundation.progress import Silent
from foundation.text_files import TextFileError
from trainer.__main__ import app
from trainer.captioning import caption as module
from trainer.captioning.caption import Outcome, caption
from trainer.captioning.caption_files import NothingToUndoError
from trainer.captioning.request import CaptionRequest, CaptionRequestError, Model, NoCaptionerError, with_tagger_told
from trainer.captioning.said import Said
from trainer.captioning.wording import in_words
from trainer.data.dataset import read_dataset

VOCABULARY = "[expression]\n[expression.phrases]\nsmiling = []\nsad = []\n"
CAPTIONS = {"0": "photo of a ohwx person, old words", "1": None, "2": None}


class Planted:
    """Says of a picture that it smiles where it is bright."""

    name = "clip"

    def describe(self, pictures: Sequence[np.ndarray]) -> Iterator[Said]:
        for picture in pictures:
            yield Said("clip", {"expression": {"smiling" if picture.mean() > 127 else "sad": 1.0}})


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "Train" / "10_ohwx person"
    folder.mkdir(parents=True)
    for at, (name, text) in enumerate(CAPTIONS.items()):
        Image.new("RGB", (8, 8), (200 * (at % 2),) * 3).save(folder / f"{name}.png")
        if text:
            (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    (tmp_path / "vocabulary.toml").write_text(VOCABULARY, encoding="utf-8")
    monkeypatch.setattr(module, "opened_captioners", lambda *_: [Planted()])
    return tmp_path / "Train"


def asked(dataset: Path, **told: object) -> Outcome:
    values = {"models": (Model.CLIP,), "vocabulary": dataset.parent / "vocabulary.toml", **told}
    return caption(CaptionRequest(dataset, **values), Silent())  # type: ignore[arg-type]


def captions(dataset: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted(dataset.rglob("*.txt"))}


def test_pictures_without_a_caption_get_one_and_the_others_keep_theirs(dataset: Path) -> None:
    done = asked(dataset)
    assert captions(dataset) == {
        "0": CAPTIONS["0"].encode(),
        "1": b"ohwx person, smiling\n",
        "2": b"ohwx person, sad\n",
    }  # type: ignore[union-attr]
    assert (len(done.written), done.kept, done.pictures) == (2, 1, 3)
    words = "\n".join(in_words(CaptionRequest(dataset, models=(Model.CLIP,)), done))
    assert "2 captions written" in words
    assert "--overwrite" in words
    assert [one.caption for one in read_dataset(dataset, None).train] == [
        CAPTIONS["0"],
        "ohwx person, smiling",
        "ohwx person, sad",
    ]
    assert read_dataset(dataset, None).notes == ()


def test_undo_gives_back_every_byte_and_what_was_changed_since_stays(dataset: Path) -> None:
    before = captions(dataset)
    asked(dataset, overwrites=True)
    asked(dataset, models=(), replace="ohwx", by="zwx")
    assert captions(dataset)["1"] == b"zwx person, smiling\n"
    (dataset / "10_ohwx person" / "2.txt").write_text("my own words", encoding="utf-8")
    first = asked(dataset, models=(), undo=True)
    assert [path.name for path in first.changed_since] == ["2.txt"]
    assert captions(dataset)["0"] == b"ohwx person, sad\n"
    asked(dataset, models=(), undo=True)
    assert captions(dataset) == {**before, "2": b"my own words"}
    assert not (dataset / ".captions").exists()
    with pytest.raises(NothingToUndoError):
        asked(dataset, models=(), undo=True)


def test_undo_gives_back_a_caption_that_is_no_utf_8(dataset: Path) -> None:
    path = dataset / "10_ohwx person" / "0.txt"
    path.write_bytes("照片".encode("gbk"))
    asked(dataset, overwrites=True)
    assert path.read_bytes() == b"ohwx person, sad\n"
    asked(dataset, models=(), undo=True)
    assert path.read_bytes() == "照片".encode("gbk")


def test_words_are_replaced_as_words_and_a_pattern_where_it_is_asked_for(dataset: Path) -> None:
    asked(dataset, models=(), replace="old", by="new")
    asked(dataset, models=(), replace="word", by="x")
    assert captions(dataset)["0"] == b"photo of a ohwx person, new words\n"
    asked(dataset, models=(), replace=r"(\w+) words", by=r"\1 \1", regex=True)
    assert captions(dataset)["0"] == b"photo of a ohwx person, new new\n"


def test_clean_takes_out_what_captioners_invent(dataset: Path) -> None:
    path = dataset / "10_ohwx person" / "0.txt"
    path.write_text("photo of a ohwx person, holding a cell phone, sad", encoding="utf-8")
    asked(dataset, models=(), clean=True)
    assert captions(dataset)["0"] == b"photo of a ohwx person, sad\n"


def test_the_review_table_goes_both_ways(dataset: Path, tmp_path: Path) -> None:
    table, before = tmp_path / "table.csv", captions(dataset)
    done = asked(dataset, overwrites=True, review=table)
    assert captions(dataset) == before
    assert (done.review, len(done.written)) == (table, 3)
    rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    assert (rows[0]["now"], rows[0]["caption"]) == (CAPTIONS["0"], "ohwx person, sad")
    assert rows[1]["expression"] == "smiling (1.00)"
    rows[0]["caption"] = '=mine, "quoted"; done'
    rows[2]["caption"] = rows[2]["now"]
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys(), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    asked(dataset, models=(), table=table)
    assert captions(dataset) == {"0": b'=mine, "quoted"; done\n', "1": b"ohwx person, smiling\n"}
    asked(dataset, models=(), review=table)
    assert "'=mine" in table.read_text(encoding="utf-8-sig")
    (dataset / "10_ohwx person" / "1.txt").write_text("changed meanwhile", encoding="utf-8")
    text = table.read_text(encoding="utf-8-sig").replace("smiling,ohwx", "smiling,zwx")
    table.write_text(
        text.replace('"ohwx person, smiling","ohwx person, smiling"', '"ohwx person, smiling",zwx'), encoding="utf-8"
    )
    done = asked(dataset, models=(), table=table)
    assert [path.name for path in done.changed_since] == ["1.txt"]
    assert captions(dataset)["0"] == b'=mine, "quoted"; done\n'


def test_a_table_without_a_captioner_has_the_captions_there_are_and_says_who_has_none(
    dataset: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    done = asked(dataset, models=(), review=table)
    rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    assert [row["caption"] for row in rows] == [CAPTIONS["0"], "", ""]
    words = "\n".join(in_words(CaptionRequest(dataset, review=table), done))
    assert "3 pictures, with the captions they have" in words
    assert "note: 2 pictures have no caption: --model clip (or blip, tagger)" in words


def test_a_table_that_would_be_empty_asks_for_a_captioner(dataset: Path, tmp_path: Path) -> None:
    (dataset / "10_ohwx person" / "0.txt").unlink()
    with pytest.raises(NoCaptionerError, match="name who proposes one: --model clip"):
        asked(dataset, models=(), review=tmp_path / "table.csv")
    assert not (tmp_path / "table.csv").exists()
    done = asked(dataset, models=(), clean=True)
    assert (done.kept, done.without) == (0, 3)


def test_a_picture_that_cannot_be_read_gets_no_caption_and_is_named(dataset: Path) -> None:
    (dataset / "10_ohwx person" / "3.png").write_bytes(b"no picture")
    done = asked(dataset)
    assert [path.name for path in done.unreadable] == ["3.png"]
    assert "3" not in captions(dataset)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"models": ()}, "say what to do"),
        ({"undo": True}, "--model and --undo: one at a time"),
        ({"models": (Model.TAGGER,)}, "--tagger model.onnx"),
        ({"models": (), "replace": "a"}, "--with"),
        ({"models": (), "clean": True, "review": Path("a.csv")}, "--review goes with --model"),
        ({"template": "{mood}"}, "there is no slot {mood}"),
        ({"models": (), "replace": "(", "by": "", "regex": True}, "no regular expression"),
        ({"models": (), "replace": r"photo.*", "by": "", "regex": True}, "nothing would be left"),
        ({"models": (), "table": Path("missing.csv")}, "no such file"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_changed(
    dataset: Path, told: dict[str, object], message: str
) -> None:
    before = captions(dataset)
    with pytest.raises(UserError) as caught:
        asked(dataset, **told)
    assert message in str(caught.value)
    assert captions(dataset) == before
    assert not (dataset / ".captions").exists()


def test_a_caption_that_is_no_text_stops_a_replacement(dataset: Path) -> None:
    (dataset / "10_ohwx person" / "1.txt").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(TextFileError, match=r"1\.txt"):
        asked(dataset, models=(), replace="old", by="new")
    assert captions(dataset)["0"] == CAPTIONS["0"].encode()  # type: ignore[union-attr]


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no pictures"):
        asked(tmp_path, models=(), clean=True)


def test_the_taggers_path_may_stand_behind_its_model_wherever_the_dataset_stands(tmp_path: Path) -> None:
    tagger, dataset = tmp_path / "wd.onnx", tmp_path / "Train"
    for first, second in ((dataset, tagger), (tagger, dataset)):
        found = with_tagger_told(CaptionRequest(first, models=(Model.TAGGER,)), second)
        assert (found.folder, found.tagger) == (dataset, tagger)
    with pytest.raises(CaptionRequestError, match="one dataset at a time"):
        with_tagger_told(CaptionRequest(dataset, models=(Model.CLIP,)), tagger)


def test_the_command_prints_one_document(dataset: Path) -> None:
    done = CliRunner().invoke(app, ["caption", str(dataset), "--replace", "old", "--with", "new", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert list(told["written"].values()) == ["photo of a ohwx person, new words"]
