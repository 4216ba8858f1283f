"""`eval score` by judges of other kinds: OpenCV's faces, DINOv2; and prompts that CLIP does not read at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.grid.run_grid import run_grid
from eval.judging import judges
from eval.judging.judge_facts import texts_key
from eval.judging.stored_grid import GridRecord
from eval.ranking.scores import score
from eval.ranking.verdict import verdict
from eval.reporting.ranked_grid import open_ranked
from eval.reporting.ranking_table import provenance
from eval.request.spec import read_spec
from eval.rescoring.rescore import RescoreRequest, request_by, rescore
from eval.store.store import open_store
from eval.store.tables import Reading
from foundation.errors import ConfigurationError
from foundation.progress import Silent
from grid_folders import GridFolder, write_grid
from judge_models import SFACE, dino_folder, opencv_folder, write_recogniser


def load_snapshot(grid: GridFolder) -> GridRecord:
    return open_ranked(grid.store).grid.snapshot


def refuse(name: str, *_: object) -> None:
    raise AssertionError(f"{name} was loaded although everything is read")


def test_opencvs_faces_judge_first_or_second(grid: GridFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = opencv_folder(grid.folder / "zoo", bias=3.0)
    monkeypatch.chdir(grid.folder)
    rescore(grid.store, RescoreRequest(second_faces="opencv:zoo"), Silent())
    seconds = [row.second for row in open_ranked(grid.store).rows]
    assert all(one is not None and one.model.startswith(f"opencv:{folder} (") for one in seconds)
    rescore(grid.store, RescoreRequest(faces="opencv:zoo", second_faces="none"), Silent())
    row = open_ranked(grid.store).rows[0]
    assert row.scored_by["likeness"].startswith(f"opencv:{folder} (")
    assert row.licences == {f"opencv:{folder}": "YuNet MIT, SFace Apache-2.0 (as published in the OpenCV Zoo)"}
    assert row.identity > 0.5
    assert row.copy is not None
    # Other files under the same name are another model.
    before = row.scored_by["likeness"]
    write_recogniser(folder / SFACE, seed=1)
    rescore(grid.store, RescoreRequest(), Silent())
    assert open_ranked(grid.store).rows[0].scored_by["likeness"] != before


def test_a_long_prompt_is_judged_whole_and_said_to_be(grid: GridFolder) -> None:
    store = open_store(grid.store)
    snapshot = load_snapshot(grid)
    unit = next(unit for unit in snapshot.units if unit.role == "subject")
    read = store.readings(texts_key(snapshot.clip_sha256))
    first = open_ranked(grid.store).rows[0]
    assert not any("longer than CLIP" in flag for flag in first.flags)
    other = next(one for text, one in read.items() if text != unit.class_prompt).vector
    store.add_readings(texts_key(snapshot.clip_sha256), {unit.class_prompt: Reading(other, 3)})
    store.close()
    row = open_ranked(grid.store).rows[0]
    assert (
        "1 prompt is longer than CLIP reads at once: judged in up to 3 parts, each counting by its length" in row.flags
    )
    assert row.prompt != first.prompt


def test_a_subject_without_a_face_is_scored_by_dinov2(grid: GridFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = dino_folder(grid.folder / "dino")
    monkeypatch.chdir(grid.folder)
    rescore(grid.store, RescoreRequest(subject="image"), Silent())
    by_clip = open_ranked(grid.store)
    rescore(grid.store, RescoreRequest(likeness="dinov2:dino"), Silent())
    ranked = open_ranked(grid.store)
    first = ranked.rows[0]
    said = f"DINOv2 {folder} ("
    assert first.scored_by["likeness"].startswith(f"dinov2:{folder} (")
    assert first.scored_by["clip"] == by_clip.rows[0].scored_by["clip"]
    assert first.image_likeness.startswith(said)
    assert first.licences == {f"dinov2:{folder}": "Apache-2.0 (DINOv2 as published by Meta)"}
    assert first.face_rate is None
    assert first.copy is not None
    assert first.bleed is not None
    assert any(flag.startswith(f"likeness by {said}") for flag in first.flags)
    told = verdict(ranked.rows, ranked.evidence, score(ranked.evidence)).all
    assert f"likeness by {said}" in " ".join(told)
    line = provenance(ranked.evidence, 1)
    assert f"Likeness: dinov2:{folder} (" in line
    assert "Prompt by CLIP: miniature (" in line
    # Prompts stay with CLIP, and likeness is another measure.
    known = {row.cell: (row.identity, row.prompt) for row in by_clip.rows}
    assert {row.cell: row.prompt for row in ranked.rows} == {cell: prompt for cell, (_, prompt) in known.items()}
    assert all(row.identity != pytest.approx(known[row.cell][0], abs=1e-4) for row in ranked.rows)
    # It stays until another is named, and all of it is known by then.
    monkeypatch.setattr(judges.Judge, "reader", property(refuse))
    rescore(grid.store, RescoreRequest(), Silent())
    assert open_ranked(grid.store).rows[0].scored_by == first.scored_by
    rescore(grid.store, RescoreRequest(likeness="clip"), Silent())
    assert [row.identity for row in open_ranked(grid.store).rows] == [row.identity for row in by_clip.rows]
    rescore(grid.store, RescoreRequest(subject="face"), Silent())
    assert open_ranked(grid.store).rows[0].face_rate is not None


def test_a_specification_may_ask_dinov2_and_a_face_subject_may_not(tmp_path: Path) -> None:
    grid = write_grid(tmp_path, steps=1)
    text = grid.spec.read_text(encoding="utf-8")
    folder = dino_folder(tmp_path / "dino")
    grid.spec.write_text(text + '\n[score]\nsubject = "image"\nlikeness = "dinov2:dino"\n', encoding="utf-8")
    asked = read_spec(grid.spec)
    run_grid(asked, Silent())
    assert load_snapshot(grid).face_model == f"dinov2:{folder}"
    assert run_grid(asked, Silent()).rendered == 0
    assert request_by(asked, RescoreRequest()).likeness == f"dinov2:{folder}"
    assert request_by(asked, RescoreRequest(subject="face")).likeness is None
    assert request_by(asked, RescoreRequest(faces="miniature")).subject == "face"
    for asked_of, says in (
        ('likeness = "dinov2:dino"', "subject of kind `image`"),
        ('subject = "image"\nlikeness = "dino"', 'likeness is "clip" or "dinov2:FOLDER"'),
    ):
        grid.spec.write_text(f"{text}\n[score]\n{asked_of}\n", encoding="utf-8")
        with pytest.raises(ConfigurationError, match=says):
            read_spec(grid.spec)
