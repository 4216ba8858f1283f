"""The ledger: every run leaves a record, whatever became of it, and each says what differs from the run before."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from foundation.errors import BaseModelError, ConfigurationError, DatasetError, MissingFileError, UserError
from planted_kills import killed_at_rename
from run_records import written_record
from tiny import tiny_base, tiny_data, tiny_picture, tiny_settings
from trainer.__main__ import main
from trainer.config.config import TrainConfig, parse_config
from trainer.data.dataset import read_dataset
from trainer.learning.run_state import Verdict
from trainer.records import record, run_identity
from trainer.records.ledger import LedgerEntry, read_ledger
from trainer.records.ledger_table import ledger_json, print_ledger
from trainer.records.picture_changes import marks_of, picture_changes
from trainer.records.record import read_record, record_path, require_begun
from trainer.records.run_identity import RunIdentity
from trainer.running import training
from trainer.running.run import run_training


def test_the_ledger_says_what_differs_from_the_run_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written_record(tmp_path / "b", "second", "2026-02-02T00:00:00+00:00", 1e-4)
    exploding = (Verdict(name="exploding", reason="so"),)
    written_record(tmp_path / "a", "first", "2026-01-01T00:00:00+00:00", 2e-4, verdicts=exploding, device="cuda (H100)")
    (tmp_path / "b" / "second-scores.json").write_text('{"best": 0.71, "file": "second-000004.safetensors"}')
    ledger = read_ledger(tmp_path)
    first, second = ledger.entries
    assert (first.record.name, first.cause, first.score) == ("first", (), None)
    assert second.cause == ("training.unet_lr: 0.0002 -> 0.0001", "device: cuda (H100) -> cpu")
    assert second.effect == ("verdict: exploding -> healthy", "score: None -> 0.71")
    (one, other) = json.loads(ledger_json(ledger))
    assert (one["status"], other["score"]["best"]) == ("finished", 0.71)
    print_ledger(ledger)
    printed = capsys.readouterr().out
    assert "since first changed: training.unet_lr: 0.0002 -> 0.0001" in printed


def test_other_samples_are_a_change(tmp_path: Path) -> None:
    for at, prompts in enumerate((["a [b]"], ["a [b]", "c"])):
        written_record(tmp_path, f"run{at}", f"2026-01-0{at + 1}", config={"samples": {"prompts": prompts, "seed": 1}})
    assert read_ledger(tmp_path).entries[1].cause == ("samples.prompts: ['a [b]'] -> ['a [b]', 'c']",)


def test_a_record_of_before_a_key_was_there_is_no_other_run() -> None:
    old = RunIdentity(settings={"training": {"unet_lr": 1}}, data_sha256="d", base_sha256="b")
    new = RunIdentity(settings={"training": {"unet_lr": 1, "lr_timescale": None}}, data_sha256="d", base_sha256="b")
    assert run_identity.differences(old, new) == []
    assert run_identity.differences(new.model_copy(update={"settings": {"training": {"lr_timescale": 3}}}), old) == [
        "training.unet_lr: None -> 1",
        "training.lr_timescale: 3 -> None",
    ]


def test_what_cannot_be_read_is_listed_and_the_rest_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MissingFileError, match="no such folder"):
        read_ledger(tmp_path / "not there")
    assert read_ledger(tmp_path).entries == ()
    written_record(tmp_path, "sound", "2026-01-01")
    (tmp_path / "sound-scores.json").write_text("[]")
    (tmp_path / "damaged-run.json").write_text("{")
    (tmp_path / "folder-run.json").mkdir()
    (tmp_path / "foreign-run.json").write_bytes(b"\xff")
    ledger = read_ledger(tmp_path)
    assert [entry.record.name for entry in ledger.entries] == ["sound"]
    assert sorted(path.name for path in ledger.unreadable) == [
        "damaged-run.json",
        "folder-run.json",
        "foreign-run.json",
        "sound-scores.json",
    ]
    monkeypatch.setattr(sys, "argv", ["trainer", "runs", str(tmp_path), "--json"])
    with pytest.raises(SystemExit):
        main()
    listed = json.loads(capsys.readouterr().out)
    assert [one["status"] for one in listed] == ["finished", *["unreadable"] * 4]
    print_ledger(ledger)
    printed = capsys.readouterr().out
    assert printed.count("unreadable: ") == 4
    assert "not a run's record" in printed


def test_where_no_run_is_that_is_said_in_place_of_an_empty_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["trainer", "runs", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().out.startswith(f"{tmp_path}: no run was begun there or below")


Edit = Callable[[Path], object]
TRAIN, REG = "Train/2_ohwx person", "Reg/1_person"


def _renamed(old: str, new: str) -> Edit:
    return lambda data: (data / old).rename(data / new)


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ((), []),
        (
            [lambda data: tiny_picture(data / TRAIN / "new.png", seed=7)],
            ["1 train picture came (new.png)"],
        ),
        (
            [lambda data, at=at: (data / REG / f"{at:02d}.png").unlink() for at in range(4)]
            + [lambda data: tiny_picture(data / REG / "other.png", seed=8)],
            ["1 reg picture came (other.png)", "4 reg pictures went (00.png, 01.png, 02.png and 1 more)"],
        ),
        ([lambda data: tiny_picture(data / TRAIN / "01.png", seed=9)], ["1 picture changed (01.png)"]),
        (
            [lambda data, at=at: (data / TRAIN / f"{at:02d}.txt").write_text("else") for at in (0, 2)],
            ["2 captions changed (00.png, 02.png)"],
        ),
        (
            [_renamed(TRAIN, "Train/5_ohwx person")],
            ["3 pictures moved (train/2_ohwx person -> train/5_ohwx person)"],
        ),
        (
            [_renamed(f"{TRAIN}/00.{ending}", f"{TRAIN}/zero.{ending}") for ending in ("png", "txt")]
            + [lambda data: (data / TRAIN / "zero.txt").write_text("else")],
            ["1 caption changed (zero.png)", "1 picture moved (train/2_ohwx person -> train/2_ohwx person)"],
        ),
    ],
)
def test_data_differ_in_counts_and_names(tmp_path: Path, edits: list[Edit], words: list[str]) -> None:
    data = tiny_data(tmp_path)
    before = marks_of(read_dataset(data / "Train", data / "Reg"))
    for edit in edits:
        edit(data)
    after = marks_of(read_dataset(data / "Train", data / "Reg"))
    assert picture_changes(before, after) == words


def test_without_marks_nothing_is_said_of_pictures() -> None:
    assert picture_changes({}, {"train/1_a": {"a.png": "0" * 20}}) == []


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


def _config(data: Path, base: Path | str, /, **tables: dict[str, object]) -> TrainConfig:
    settings = tiny_settings(Path(base))
    merged = {name: {**settings.get(name, {}), **tables.get(name, {})} for name in settings}
    return parse_config(dict(merged), data / "run.toml")


def _entry(config: TrainConfig) -> LedgerEntry:
    (entry,) = read_ledger(config.output.folder).entries
    return entry


def test_a_run_began_at_its_first_sitting(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = _config(tiny_data(tmp_path), base)
    with killed_at_rename(monkeypatch, 5):
        run_training(config)
    killed = read_record(record_path(config))
    early = killed.model_copy(update={"started": "2020-02-02T02:02:02+00:00"})
    record.write_record(early, config)
    finished = run_training(config)
    assert (finished.started, finished.device) == (early.started, "cpu")
    assert finished.pictures == killed.pictures != {}
    written_record(tmp_path / "out", "between", "2021-01-01")
    assert [entry.record.name for entry in read_ledger(tmp_path).entries] == ["hina", "between"]


def test_pictures_that_came_are_named_where_the_name_is_taken(tmp_path: Path, base: Path) -> None:
    config = _config(tiny_data(tmp_path), base)
    run_training(config)
    tiny_picture(tmp_path / TRAIN / "new.png", seed=7)
    with pytest.raises(ConfigurationError, match=r"another run named `hina` \(1 train picture came \(new\.png\)\)"):
        run_training(config)
    run_training(_config(tmp_path, base, output={"folder": "out/second", "name": "second"}))
    assert read_ledger(tmp_path).entries[1].cause == ("1 train picture came (new.png)",)


def test_out_of_memory_before_the_first_step_is_a_record(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(tiny_data(tmp_path), base)

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    with monkeypatch.context() as patched:
        patched.setattr(training, "make_session", full)
        with pytest.raises(ConfigurationError, match="memory is too small"):
            run_training(config)
    entry = _entry(config)
    assert (entry.status, entry.record.done, entry.record.steps) == ("failed", 0, 6)
    assert (entry.record.outcome or "").startswith("refused before the first step: the GPU's memory is too small")
    with pytest.raises(ConfigurationError, match="nothing to resume"):
        require_begun(config)
    assert run_training(config).started == entry.record.started
    finished = _entry(config)
    assert finished.status == "finished"
    assert finished.record.verdict is not None
    assert finished.record.outcome == finished.record.verdict.name


def test_an_error_of_the_program_in_the_middle_is_a_record(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(tiny_data(tmp_path), base)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("by no one")

    with monkeypatch.context() as patched:
        patched.setattr("trainer.running.execution.judge", broken)
        with pytest.raises(ZeroDivisionError):
            run_training(config)
    assert _entry(config).record.outcome == "failed after step 3: ZeroDivisionError: by no one"
    assert run_training(config).failure == ""


@pytest.mark.parametrize(
    ("tables", "error", "says"),
    [
        ({"model": {"base": "none/such"}}, BaseModelError, "none/such"),
        ({"data": {"train": "Nowhere"}}, MissingFileError, "Nowhere: no such folder"),
        ({"data": {"train": "Train/2_ohwx person"}}, DatasetError, "is itself a folder of pictures"),
        ({"training": {"lr_warmup_steps": 99, "lr_scheduler": "linear"}}, ConfigurationError, "lr_warmup_steps is 99"),
    ],
)
def test_a_run_that_is_refused_is_a_record(
    tmp_path: Path, base: Path, tables: dict[str, dict[str, object]], error: type[UserError], says: str
) -> None:
    data = tiny_data(tmp_path)
    config = _config(data, base, **tables)
    for _ in range(2):
        with pytest.raises(error, match=says):
            run_training(config)
    entry = _entry(config)
    assert entry.status == "failed"
    assert (entry.record.outcome or "").startswith("refused before the first step: ")
    assert says in (entry.record.outcome or "")
    mended = run_training(_config(data, base))
    assert (mended.seconds is not None, mended.failure) == (True, "")


def test_a_refusal_never_touches_the_record_or_files_of_another_run(tmp_path: Path, base: Path) -> None:
    data = tiny_data(tmp_path)
    config = _config(data, base)
    run_training(config)
    there = record_path(config).read_bytes()
    with pytest.raises(BaseModelError):
        run_training(_config(data, "none/such"))
    assert record_path(config).read_bytes() == there
    record_path(config).unlink()
    with pytest.raises(BaseModelError):
        run_training(_config(data, "none/such"))
    assert not record_path(config).exists()
