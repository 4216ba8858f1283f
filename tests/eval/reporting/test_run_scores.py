"""What a grid found of a run's files stands beside the run's record, and the ledger reads it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eval.__main__ import app
from eval.judging.stored_grid import KEY
from eval.reporting.ranked_grid import RankedGrid, open_ranked
from eval.reporting.run_scores import write_run_scores
from foundation.files import sha256_of
from synthetic_store import Size, write_store
from trainer.records.ledger import read_ledger
from trainer.records.ledger_table import print_ledger
from trainer.records.record import RunRecord
from trainer.records.run_identity import RunIdentity


@pytest.fixture
def ranked(tmp_path: Path) -> RankedGrid:
    return open_ranked(write_store(tmp_path, Size(epochs=(2, 4), unet=(1.0,), te=(1.0,), seeds=2)))


def _record(folder: Path, name: str, files: dict[str, str]) -> None:
    record = RunRecord(
        name=name,
        folder=str(folder),
        identity=RunIdentity(settings={}, data_sha256="d", base_sha256="b"),
        config={},
        optimizer="AdamW",
        device="cpu",
        steps=2,
        epochs=2,
        notes=[],
        versions={},
        files=files,
        seconds=1.0,
    )
    (folder / f"{name}-run.json").write_text(record.model_dump_json())


def test_the_runs_best_row_without_other_loras(
    ranked: RankedGrid, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "lora"
    _record(folder, "tessa", {path.name: sha256_of(path) for path in folder.glob("tessa*.safetensors")})
    _record(folder, "other", {"tessa-000002.safetensors": "a file of that name, of other contents"})
    (folder / "foreign-run.json").write_text("{}")
    assert [path.name for path in write_run_scores(ranked)] == ["tessa-scores.json"]
    told = json.loads((folder / "tessa-scores.json").read_text())
    best = next(row for row in ranked.rows if not row.also)
    assert (told["best"], told["file"]) == (round(best.identity, 4), f"{best.checkpoint}.safetensors")
    assert (told["pictures"], told["face_model"], told["weights"]) == (best.pictures, "drawn faces", best.weights)
    assert told["broken"] == list(best.broken)
    ledger = read_ledger(folder)
    assert list(ledger.unreadable) == [folder / "foreign-run.json"]
    scores = {entry.record.name: entry.score for entry in ledger.entries}
    assert scores["other"] is None
    assert scores["tessa"] is not None
    assert scores["tessa"].best == told["best"]
    assert scores["tessa"].measured == (
        f"{told['low']} to {told['high']}, {best.pictures} pictures, face pack drawn faces"
    )
    print_ledger(ledger)
    assert "drawn" in capsys.readouterr().out


def test_scores_of_different_face_packs_are_not_compared(ranked: RankedGrid, tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    files = {path.name: sha256_of(path) for path in folder.glob("tessa*.safetensors")}
    for name in ("a", "b"):
        _record(folder, name, files)
    write_run_scores(ranked)
    assert read_ledger(folder).entries[1].effect == ()
    told = json.loads((folder / "b-scores.json").read_text())
    (folder / "b-scores.json").write_text(json.dumps({**told, "face_sha256": "another"}))
    assert "do not compare" in read_ledger(folder).entries[1].effect[-1]


def test_of_a_subject_without_a_face_the_ledger_names_clip(ranked: RankedGrid, tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    files = {path.name: sha256_of(path) for path in folder.glob("tessa*.safetensors")}
    for name in ("a", "b"):
        _record(folder, name, files)
    write_run_scores(ranked)
    snapshot = ranked.grid.snapshot.model_copy(update={"subject": "image", "face_model": "drawn scenes"})
    by_clip = replace(ranked, grid=replace(ranked.grid, snapshot=snapshot))
    (folder / "a-run.json").rename(folder / "a-run.kept")
    write_run_scores(by_clip)
    (folder / "a-run.kept").rename(folder / "a-run.json")
    first, second = read_ledger(folder).entries
    assert first.score is not None
    assert second.score is not None
    assert first.score.measured.endswith("face pack drawn faces")
    assert second.score.measured.endswith("CLIP drawn scenes")
    assert "face" not in (folder / "b-scores.json").read_text()
    assert "do not compare" in second.effect[-1]


def test_eval_rank_writes_them(ranked: RankedGrid, tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    _record(folder, "tessa", {path.name: sha256_of(path) for path in folder.glob("tessa*.safetensors")})
    assert CliRunner().invoke(app, ["rank", str(ranked.grid.store.folder), "--json"]).exit_code == 0
    assert (folder / "tessa-scores.json").is_file()


def test_eval_rank_names_the_licence_of_each_scoring_model(ranked: RankedGrid) -> None:
    store = ranked.grid.store
    licences = {"drawn faces": "Apache-2.0", "other {faces}": "non-commercial research only"}
    store.set_fact(KEY, ranked.grid.snapshot.model_copy(update={"licences": licences}).model_dump(mode="json"))
    table = CliRunner().invoke(app, ["rank", str(store.folder)]).output
    said = "Licence of drawn faces: Apache-2.0. Licence of other {faces}: non-commercial research only."
    assert said in table.splitlines()
    rows = json.loads(CliRunner().invoke(app, ["rank", str(store.folder), "--json"]).stdout)
    assert [row["licences"] for row in rows] == [licences] * len(rows)


def test_a_folder_that_cannot_be_written_is_left(
    ranked: RankedGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lora"
    _record(folder, "tessa", {path.name: sha256_of(path) for path in folder.glob("tessa*.safetensors")})

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("eval.reporting.run_scores.write_text", refused)
    assert write_run_scores(ranked) == []
