"""`trainer regularize`, whole: on a random base whose pictures are planted, so that every reason comes up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from base_models.drawing.painter import PaintJob, Wanted
from base_models.drawing.png import read_picture
from foundation.progress import Silent
from miniature.paths import SUBJECT
from trainer.config.config import TrainConfig, parse_config
from trainer.data.dataset import read_dataset
from trainer.regularizing import regularize as module
from trainer.regularizing.regularize import regularize
from trainer.regularizing.request import MissingAnswerError, RegOptions, RegRequest, settle
from trainer.regularizing.wording import as_json, in_words
from typed_commands import type_command

OTHERS = sorted(SUBJECT.glob("Reg/*/*.png"))
REFERENCES = sorted(SUBJECT.glob("references/*.png"))


def config(folder: Path) -> TrainConfig:
    values: dict[str, object] = {
        "preset": "miniature",
        "model": {"base": "miniature", "device": "cpu"},
        "data": {"train": str(SUBJECT / "Train")},
        "output": {"folder": "runs", "name": "mira"},
    }
    return parse_config(values, folder / "train.toml")


def request(folder: Path, count: int) -> RegRequest:
    return settle(config(folder), RegOptions(count, folder / "Reg"))


class Planted:
    """Draws, in place of a model, drawn people; every third is the subject, every fifth shows nothing."""

    def __init__(self) -> None:
        self.asked: list[Wanted] = []
        self.stop_after: int | None = None

    def draw(self, batches: Iterable[Sequence[Wanted]]) -> Iterator[tuple[Sequence[Wanted], np.ndarray]]:
        for batch in batches:
            self.asked += batch
            if self.stop_after is not None and len(self.asked) > self.stop_after:
                raise KeyboardInterrupt
            yield batch, np.stack([self._picture(one) for one in batch])

    def _picture(self, one: Wanted) -> np.ndarray:
        number = one.seed % module.STRIDE + one.seed // module.STRIDE * 7
        if number % 5 == 0:
            return np.zeros((64, 64, 3), np.float32)
        places = REFERENCES if number % 3 == 0 else OTHERS
        return read_picture(places[number % len(places)]).astype(np.float32) / 255


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Planted:
    drawer = Planted()

    @contextmanager
    def opened(job: PaintJob) -> Iterator[Planted]:
        yield drawer

    monkeypatch.setattr(module, "opened_painters", opened)
    monkeypatch.setattr(PaintJob, "at_once", 4)
    return drawer


def test_what_is_not_fit_is_drawn_anew_until_there_are_as_many(tmp_path: Path, planted: Planted) -> None:
    done = regularize(request(tmp_path, 12), Silent())
    assert done.is_whole
    assert done.drawn == done.drawn_now == len(planted.asked) == 12 + sum(done.rejected.values())
    assert done.rejected["like the subject"] > 0
    assert done.rejected["shows nothing"] > 0
    assert done.subject is not None
    assert done.highest is not None
    assert done.highest < done.subject.limit
    told = as_json(done)
    assert (told["kept"], told["class"], told["used_by_the_run"]) == (12, "person", done.request.uses)
    words = "\n".join(in_words(done))
    assert f"rejected {done.rejected['like the subject']}: its face is like the subject's" in words
    read = read_dataset(None, tmp_path / "Reg")
    assert [one.folder for one in read.reg] == ["1_person"] * 12
    assert {one.caption for one in read.reg} <= set(done.request.prompts)
    assert all("ohwx" not in one.caption and "photo of a person" in one.caption for one in read.reg)
    assert read.notes == ()


def test_a_killed_run_goes_on_and_draws_nothing_twice(tmp_path: Path, planted: Planted) -> None:
    planted.stop_after = 8
    with pytest.raises(KeyboardInterrupt):
        regularize(request(tmp_path, 12), Silent())
    kept = {path.name: path.read_bytes() for path in (tmp_path / "Reg" / "1_person").glob("*.png")}
    assert kept
    first, planted.stop_after = planted.asked[:8], None
    planted.asked = []
    done = regularize(request(tmp_path, 12), Silent())
    assert done.is_whole
    assert not set(first) & set(planted.asked)
    assert {name: (tmp_path / "Reg" / "1_person" / name).read_bytes() for name in kept} == kept
    planted.asked = []
    assert regularize(request(tmp_path, 12), Silent()).drawn_now == 0
    assert planted.asked == []
    assert regularize(request(tmp_path, 14), Silent()).is_whole


def test_a_picture_that_its_user_took_away_is_drawn_anew_from_another_seed(tmp_path: Path, planted: Planted) -> None:
    done = regularize(request(tmp_path, 4), Silent())
    gone = done.kept[0]
    gone.unlink()
    again = regularize(request(tmp_path, 4), Silent())
    assert again.is_whole
    assert gone.name not in {path.name for path in again.kept}


def test_where_nothing_is_fit_it_stops_and_says_so(
    tmp_path: Path, planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HOPELESS", 8)
    monkeypatch.setattr(Planted, "_picture", lambda self, one: np.zeros((64, 64, 3), np.float32))
    done = regularize(request(tmp_path, 6), Silent())
    assert not done.is_whole
    assert "stopped short" in "\n".join(in_words(done))


def test_a_subject_that_the_folders_do_not_tell_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "Train" / "10_hina").mkdir(parents=True)
    shutil.copy(OTHERS[0], tmp_path / "Train" / "10_hina")
    asked = config(tmp_path)
    asked = asked.model_copy(update={"data": asked.data.model_copy(update={"train": tmp_path / "Train"})})
    with pytest.raises(MissingAnswerError, match="--trigger"):
        settle(asked, RegOptions(4))
    told = settle(asked, RegOptions(4, None, "hina", "woman"))
    assert (told.prompts, told.folder) == (("woman",), tmp_path / "Reg" / "1_woman")


def test_the_request_changes_with_what_is_drawn_and_not_with_how_many(tmp_path: Path) -> None:
    one = request(tmp_path, 4)
    assert replace(one, count=9).key == one.key
    assert replace(one, seed=2).key != one.key
    assert one.folder == tmp_path / "Reg" / "1_person"


def test_the_command_draws_with_the_miniature(tmp_path: Path) -> None:
    """The only whole one: real pictures of two steps, of which hardly any shows a face."""
    path = tmp_path / "train.toml"
    path.write_text(
        f'preset = "miniature"\n[data]\ntrain = "{SUBJECT / "Train"}"\n[samples]\nsteps = 12\n'
        '[output]\nfolder = "runs"\nname = "mira"\n',
        encoding="utf-8",
    )
    asked = ("--count", "2", "--output", str(tmp_path / "Reg"), "--json")
    done = type_command("trainer", "regularize", str(path), *asked)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kept"] == 2
    assert told["likeness_highest"] < told["likeness_limit"]
    assert len(list((tmp_path / "Reg" / "1_person").glob("*.txt"))) == 2
