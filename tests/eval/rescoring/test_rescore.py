"""`eval score`: a store judged anew by other references and models, without rendering; and the odd kinds of subject."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from eval.__main__ import app
from eval.grid.run_grid import run_grid
from eval.judging import judges
from eval.judging.stored_grid import KEY, GridRecord, load_grid
from eval.ranking.columns import row_as_json
from eval.ranking.limits import Limits, limits_of
from eval.reporting.ranked_grid import open_ranked
from eval.request.references import References, TrainedReferenceError, check_held_out, nearest_pair
from eval.request.spec import LimitsSection, read_spec
from eval.rescoring.rescore import RescoreRequest, request_by, rescore
from eval.store.connection import FILE_NAME, StoreError
from eval.store.store import open_store
from face_packs import perturbed_pack
from foundation.errors import ConfigurationError, MissingFileError, UserError
from foundation.progress import Silent
from grid_folders import GridFolder, write_grid
from miniature.paths import FOLDERS
from synthetic_store import write_store


@dataclass
class Heard(Silent):
    """A reporter that keeps what is said."""

    lines: list[str] = field(default_factory=list[str])

    def say(self, line: str) -> None:
        self.lines.append(line)


def identities_of(store: Path) -> list[float]:
    return [row.identity for row in open_ranked(store).rows]


def pictures_of(store: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in store.rglob("*.png")}


def refuse(name: str, *_: object) -> None:
    raise AssertionError(f"{name} was loaded although everything is read")


def test_other_references_need_no_rendering_and_no_model_twice(
    grid: GridFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, before = pictures_of(grid.store), identities_of(grid.store)
    fewer = grid.folder / "fewer"
    fewer.mkdir()
    for path in sorted((grid.folder / "references").glob("*.png"))[:5]:
        shutil.copy(path, fewer)
    monkeypatch.setattr(judges.Judge, "reader", property(refuse))
    rescore(grid.store, RescoreRequest(held_out=fewer), Silent())
    ranked = open_ranked(grid.store)
    assert len(ranked.evidence.references) == 5
    assert [row.identity for row in ranked.rows] != before
    assert any("the ceiling is weak: 5" in flag for flag in ranked.rows[0].flags)
    rescore(grid.store, RescoreRequest(held_out=grid.folder / "references"), Silent())
    assert identities_of(grid.store) == pytest.approx(before)
    assert pictures_of(grid.store) == pictures


def test_a_grid_asked_for_again_judges_by_its_specification(grid: GridFolder) -> None:
    before = identities_of(grid.store)
    rescore(grid.store, RescoreRequest(subject="image"), Silent())
    assert identities_of(grid.store) != pytest.approx(before)
    outcome = run_grid(read_spec(grid.spec), Silent())
    assert outcome.rendered == 0
    assert identities_of(grid.store) == pytest.approx(before)


def test_a_second_face_model_is_shown_and_kept_apart(grid: GridFolder) -> None:
    before = identities_of(grid.store)
    pack = perturbed_pack(grid.folder / "second pack")
    rescore(grid.store, RescoreRequest(second_faces=str(pack)), Silent())
    rows = open_ranked(grid.store).rows
    assert [row.identity for row in rows] == before
    seconds = [row.second for row in rows if row.second]
    assert len(seconds) == len(rows)
    assert all("second pack" in one.model for one in seconds)
    assert [one.identity for one in seconds] != pytest.approx(before)
    assert [one.identity for one in seconds] == pytest.approx(before, abs=0.3)
    document = row_as_json(rows[0])["second"]
    assert isinstance(document, dict)
    assert set(document) == {
        "model", "identity", "identity_low", "identity_high", "identity_normalised", "face_rate",
    }  # fmt: skip
    rescore(grid.store, RescoreRequest(second_faces="none"), Silent())
    assert open_ranked(grid.store).rows[0].second is None


def test_a_subject_without_a_face_is_scored_by_clip(grid: GridFolder) -> None:
    rescore(grid.store, RescoreRequest(subject="image"), Silent())
    ranked = open_ranked(grid.store)
    row = ranked.rows[0]
    assert row.face_rate is None
    assert row.identity_normalised is not None
    assert row.copy is not None
    assert row.bleed is not None
    assert any(flag.startswith("likeness by CLIP miniature (") for flag in row.flags)
    assert not any("no face" in flag for flag in row.flags)
    assert ranked.evidence.face_model == ranked.evidence.clip_model


def test_a_folder_of_clip_is_found_again_from_anywhere(grid: GridFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FOLDERS["clip"], grid.folder / "clip")
    monkeypatch.chdir(grid.folder)
    rescore(grid.store, RescoreRequest(clip="local-dir:clip"), Silent())
    assert load_snapshot(grid).clip_model == f"local-dir:{grid.folder / 'clip'}"


def test_an_image_subject_in_a_specification_loads_no_face_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = write_grid(tmp_path, steps=1)
    text = grid.spec.read_text(encoding="utf-8") + '\n[score]\nsubject = "image"\nfaces = "no such pack"\n'
    grid.spec.write_text(text, encoding="utf-8")
    monkeypatch.setattr("eval.judging.picture_readers.load_faces", refuse)
    run_grid(read_spec(grid.spec), Silent())
    assert open_ranked(grid.store).evidence.subject == "image"


def test_references_that_were_trained_on_are_refused_unless_forced(grid: GridFolder) -> None:
    trained = next((grid.folder / "Train").rglob("*.png"))
    bad = grid.folder / "bad"
    shutil.copytree(grid.folder / "references", bad)
    with Image.open(trained) as opened:
        opened.convert("RGB").resize((100, 100)).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(bad / "twin.jpg")
    with pytest.raises(TrainedReferenceError, match=r"twin.jpg: is the training picture .*changed a little"):
        rescore(grid.store, RescoreRequest(held_out=bad), Silent())
    shutil.copy(trained, bad / "same.png")
    with pytest.raises(TrainedReferenceError, match=r"same.png: is also in the training set"):
        rescore(grid.store, RescoreRequest(held_out=bad), Silent())
    rescore(grid.store, RescoreRequest(held_out=bad, allow_trained=True), Silent())
    assert len(open_ranked(grid.store).evidence.references) > 16


def test_the_shipped_references_are_no_near_duplicates(grid: GridFolder) -> None:
    held_out = {str(path): path for path in (grid.folder / "references").glob("*.png")}
    training = {str(path): path for path in (grid.folder / "Train").rglob("*.png")}
    check_held_out(References(held_out, training))
    assert nearest_pair(References(held_out, {})) is None


def test_pictures_at_a_url_are_scored_too(tmp_path: Path) -> None:
    grid = write_grid(tmp_path, steps=1)
    text = grid.spec.read_text(encoding="utf-8")
    place = (tmp_path / "far away").as_uri()
    elsewhere = text.replace('path = "läufe/eval"', f'path = "läufe/eval"\npictures = "{place}"')
    grid.spec.write_text(elsewhere, encoding="utf-8")
    run_grid(read_spec(grid.spec), Silent())
    rescore(grid.store, RescoreRequest(faces=str(perturbed_pack(tmp_path / "other"))), Silent())
    assert "other (" in open_ranked(grid.store).evidence.face_model


def test_the_command_ranks_and_says_what_is_wrong(grid: GridFolder) -> None:
    def said(*words: str) -> str:
        return CliRunner().invoke(app, ["score", str(grid.store), *words], catch_exceptions=False).stdout

    assert json.loads(said("--subject", "image", "--json"))[0]["face_rate"] is None
    with pytest.raises(UserError, match="no such folder"):
        said("--held-out", str(grid.folder / "nowhere"))


def test_a_reference_that_is_gone_is_named(tmp_path: Path) -> None:
    store = write_store(tmp_path)
    with pytest.raises(MissingFileError, match=r"is gone, and it has to be read; a reference.*--held-out"):
        rescore(store, RescoreRequest(subject="image", clip="miniature"), Silent())


def test_pictures_that_are_gone_or_damaged_are_left_out_in_pairs_until_the_grid_makes_them_again(
    grid: GridFolder,
) -> None:
    before = open_ranked(grid.store)
    heard, shown = Heard(), before.grid
    first, other, *_ = shown.cells
    units = shown.snapshot.units
    for cell, unit in ((first, 0), (first, 1), (other, 0)):
        shown.picture_path(cell, units[unit]).unlink()
    damaged = shown.picture_path(first, units[2])
    damaged.write_bytes(damaged.read_bytes()[:-40])
    pack = str(perturbed_pack(grid.folder / "second pack"))
    rescore(grid.store, RescoreRequest(second_faces=pack), heard)
    ranked = open_ranked(grid.store)
    assert [cell.id for cell in ranked.grid.cells] == [cell.id for cell in shown.cells if cell.id != first.id]
    assert ranked.grid.snapshot.units == units[1:]
    assert all(row.second is not None for row in ranked.rows)
    [line] = heard.lines
    assert line.startswith(
        "gone or damaged before they were read: 4 pictures, so 1 of 3 (prompt, seed) pairs and 1 of 6 rows"
    )
    assert "python -m eval grid SPEC" in line
    assert all(
        any(flag.startswith("gone or damaged before they were read: 4 pictures") for flag in row.flags)
        for row in ranked.rows
    )
    rescore(grid.store, RescoreRequest(second_faces="none"), Silent())
    assert identities_of(grid.store) == [row.identity for row in before.rows]
    rescore(grid.store, RescoreRequest(second_faces=pack), Silent())
    assert run_grid(read_spec(grid.spec), Silent()).rendered >= 4
    assert [row_as_json(row) for row in open_ranked(grid.store).rows] == [row_as_json(row) for row in before.rows]


def test_where_nothing_is_left_to_compare_the_store_stays_as_it_was(grid: GridFolder) -> None:
    before = identities_of(grid.store)
    for path in grid.store.rglob("*.png"):
        path.unlink()
    with pytest.raises(StoreError, match=r"of its pictures are gone or damaged, nothing is left.*eval grid SPEC"):
        rescore(grid.store, RescoreRequest(second_faces=str(perturbed_pack(grid.folder / "second pack"))), Silent())
    assert identities_of(grid.store) == before


def test_a_store_from_before_looks_is_scored_although_a_picture_is_gone(grid: GridFolder) -> None:
    before, heard = open_ranked(grid.store), Heard()
    assert before.rows[0].copy is not None
    with sqlite3.connect(grid.store / FILE_NAME) as opened:
        opened.execute("DELETE FROM embedding WHERE model LIKE '% look %'")
    opened.close()
    before.grid.picture_path(before.grid.cells[0], before.grid.snapshot.units[0]).unlink()
    rescore(grid.store, RescoreRequest(), heard)
    [line] = heard.lines
    assert line.startswith("gone or damaged before their looks were read: 1 pictures")
    assert "python -m eval grid SPEC" in line
    ranked = open_ranked(grid.store)
    assert {row.cell: row.identity for row in ranked.rows} == {row.cell: row.identity for row in before.rows}
    assert all(row.copy is None for row in ranked.rows)
    assert run_grid(read_spec(grid.spec), Silent()).rendered >= 1
    assert [row_as_json(row) for row in open_ranked(grid.store).rows] == [row_as_json(row) for row in before.rows]


def test_a_specification_says_by_what_and_within_which_limits_a_store_is_scored(
    grid: GridFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, before = pictures_of(grid.store), identities_of(grid.store)
    (grid.folder / "fewer").mkdir()
    for path in sorted((grid.folder / "references").glob("*.png"))[:5]:
        shutil.copy(path, grid.folder / "fewer")
    text = grid.spec.read_text(encoding="utf-8").replace('"references"', '"fewer"')
    grid.spec.write_text(text + '[limits]\nbleed = "off"\ncopy = 0.3\n', encoding="utf-8")
    monkeypatch.setattr(judges.Judge, "reader", property(refuse))
    spec = read_spec(grid.spec)
    rescore(grid.store, request_by(spec, RescoreRequest()), Silent())
    ranked = open_ranked(grid.store)
    assert limits_of(ranked.grid.snapshot.limits) == Limits(bleed=None, copy=0.3)
    assert len(ranked.evidence.references) == 5
    rescore(grid.store, request_by(spec, RescoreRequest(held_out=grid.folder / "references")), Silent())
    assert identities_of(grid.store) == pytest.approx(before)
    assert limits_of(open_ranked(grid.store).grid.snapshot.limits).bleed is None
    assert pictures_of(grid.store) == pictures


def test_limits_of_the_specification_reach_the_ranking(tmp_path: Path) -> None:
    folder = write_store(tmp_path)
    assert any("bleed" in reason for row in open_ranked(folder).rows for reason in row.broken)
    store = open_store(folder)
    snapshot = load_grid(store).snapshot
    off = LimitsSection.model_validate(dict.fromkeys(("face_rate", "prompt", "bleed", "copy"), "off"))
    store.set_fact(KEY, snapshot.model_copy(update={"limits": off}).model_dump(mode="json"))
    store.close()
    assert not any(row.broken for row in open_ranked(folder).rows)


def test_a_limit_that_is_no_share_is_refused(grid: GridFolder) -> None:
    grid.spec.write_text(grid.spec.read_text(encoding="utf-8") + '[limits]\nbleed = "of"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"limits\.bleed"):
        read_spec(grid.spec)
    assert limits_of(LimitsSection()) == Limits()


def test_limits_that_change_are_taken_up_by_a_finished_grid(grid: GridFolder) -> None:
    assert "bleed" in {name for name, share in vars(limits_of(load_snapshot(grid).limits)).items() if share is not None}
    grid.spec.write_text(grid.spec.read_text(encoding="utf-8") + '[limits]\nbleed = "off"\n', encoding="utf-8")
    assert run_grid(read_spec(grid.spec), Silent()).rendered == 0
    assert limits_of(load_snapshot(grid).limits).bleed is None


def load_snapshot(grid: GridFolder) -> GridRecord:
    return open_ranked(grid.store).grid.snapshot
