"""A store's pictures as bare files, imported again: the same ranking to the digit; and export, score, resuming."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bare_pictures import pictures_of, write_bare, write_stripped
from eval.__main__ import app
from eval.exporting.export import export_cell
from eval.importing.import_plan import ImportRequest, plan_import
from eval.importing.import_spec import ImportOptions, asked_subject, import_spec
from eval.importing.import_store import write_import
from eval.importing.written_import import Written
from eval.judging import readings
from eval.reporting.ranked_grid import open_ranked
from eval.store.store import open_store
from foundation.errors import MissingFileError
from foundation.progress import Silent
from grid_folders import GridFolder
from loras.tensors_sha256 import tensors_sha256

FORCED = ImportOptions(force=True)


@pytest.fixture(autouse=True)
def _references_looked_at_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of them are one picture takes longer than all that is looked at here."""
    monkeypatch.setattr(readings, "same_pictures", lambda first, second: [])


def imported(grid: GridFolder, source: Path, store: Path, manifest: Path | None = None, loras: bool = True) -> Written:
    subject, dtype = asked_subject(grid.spec, ImportOptions())
    folders = [grid.folder / "runs of hina ö", grid.folder / "andere"] if loras else []
    planned = plan_import(ImportRequest([source], folders, manifest), subject, dtype)
    assert planned.collected.unclear == {}
    assert planned.left_out == {}
    return write_import(store, planned.grid, import_spec(grid.spec, FORCED), [source], Silent())


def test_the_ranking_is_the_same_to_the_digit(rendered_grid: GridFolder, tmp_path: Path) -> None:
    write_bare(rendered_grid.store, tmp_path / "bare")
    written = imported(rendered_grid, tmp_path / "bare", tmp_path / "eval")
    wanted = open_ranked(rendered_grid.store).as_json()
    assert open_ranked(tmp_path / "eval").as_json() == wanted
    assert written.new > 0

    again = imported(rendered_grid, tmp_path / "bare", tmp_path / "eval")
    assert (again.new, again.damaged) == (0, {})
    assert open_ranked(tmp_path / "eval").as_json() == wanted

    exported = tmp_path / "best.safetensors"
    done = CliRunner().invoke(app, ["export", str(tmp_path / "eval"), "-o", str(exported), "--json"])
    assert done.exit_code == 0, done.output
    original = tmp_path / "original" / "best.safetensors"
    CliRunner().invoke(app, ["export", str(rendered_grid.store), "-o", str(original), "--json"])
    assert tensors_sha256(exported) == tensors_sha256(original)


def test_without_metadata_a_manifest_does(rendered_grid: GridFolder, tmp_path: Path) -> None:
    manifest = write_stripped(rendered_grid.store, tmp_path / "bare")
    imported(rendered_grid, tmp_path / "bare", tmp_path / "eval", manifest)
    assert open_ranked(tmp_path / "eval").as_json() == open_ranked(rendered_grid.store).as_json()


def test_missing_pictures_are_said_and_rows_compared_over_what_they_share(
    rendered_grid: GridFolder, tmp_path: Path
) -> None:
    write_bare(rendered_grid.store, tmp_path / "bare")
    (tmp_path / "bare" / "00001.png").unlink()
    (tmp_path / "bare" / "00004.png").write_bytes((tmp_path / "bare" / "00004.png").read_bytes()[:200])
    subject, dtype = asked_subject(rendered_grid.spec, ImportOptions())
    planned = plan_import(ImportRequest([tmp_path / "bare"]), subject, dtype)
    assert list(planned.collected.unclear.values()) == ["is cut off"]
    assert sum(map(len, planned.grid.lacking.values())) == 2
    spec = import_spec(rendered_grid.spec, FORCED)
    write_import(tmp_path / "eval", planned.grid, spec, [tmp_path / "bare"], Silent())
    ranked = open_ranked(tmp_path / "eval")
    assert len(ranked.rows) == len(open_ranked(rendered_grid.store).rows)
    assert len(ranked.evidence.units) < len(planned.grid.units)
    assert "not among what was imported" in " ".join(ranked.rows[0].flags)
    with pytest.raises(MissingFileError, match="--loras"):
        export_cell(ranked.grid, ranked.rows[0], tmp_path / "best.safetensors")
    done = CliRunner().invoke(app, ["score", str(tmp_path / "eval"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == ranked.as_json()


def test_without_the_base_model_it_is_asked_for(rendered_grid: GridFolder, tmp_path: Path) -> None:
    source = tmp_path / "bare"
    source.mkdir()
    for number, (path, cell, _) in enumerate(pictures_of(rendered_grid.store)):
        if cell is not None:
            shutil.copyfile(path, source / f"{number:05d}.png")
    asked = [
        "import",
        str(source),
        "-o",
        str(tmp_path / "eval"),
        "--spec",
        str(rendered_grid.spec),
        "--force",
        "--json",
    ]
    done = CliRunner().invoke(app, [*asked, "--dry-run"])
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "eval").exists()
    assert json.loads(done.stdout)["control"] == 0
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    ranked = open_ranked(tmp_path / "eval")
    assert ranked.rows[0].gain is None
    assert "draw the same prompts and seeds" in " ".join(ranked.rows[0].flags)


def test_an_import_that_was_stopped_goes_on(
    rendered_grid: GridFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eval.importing import import_store

    write_bare(rendered_grid.store, tmp_path / "bare")
    monkeypatch.setattr(import_store, "AT_ONCE", 3)
    drawn: list[str] = []
    row = import_store.row_of

    def stopping(*asked: object) -> object:
        drawn.append(str(asked[1]))
        if len(drawn) == 8:
            raise KeyboardInterrupt
        return row(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(import_store, "row_of", stopping)
    with pytest.raises(KeyboardInterrupt):
        imported(rendered_grid, tmp_path / "bare", tmp_path / "eval")
    store = open_store(tmp_path / "eval")
    assert store.count_pictures() == 6
    store.close()
    written = imported(rendered_grid, tmp_path / "bare", tmp_path / "eval")
    assert written.new + 6 == len(list((tmp_path / "eval" / "pictures").glob("*/*.png")))
    assert open_ranked(tmp_path / "eval").as_json() == open_ranked(rendered_grid.store).as_json()
