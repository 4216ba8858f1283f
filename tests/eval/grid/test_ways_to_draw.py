"""A grid that is drawn several ways: what is there is not made again, and each way has its own control."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from eval.exporting.export import choose_cell, export_cell
from eval.grid.forecast import forecast
from eval.grid.run_grid import run_grid
from eval.judging.stored_grid import KEY, GridRecord
from eval.ranking.columns import row_as_json
from eval.reporting.contact_sheet import write_sheet
from eval.reporting.ranked_grid import open_ranked, report_data
from eval.reporting.report import write_report
from eval.request.spec import read_spec
from eval.rescoring.rescore import RescoreRequest, rescore
from eval.search.run_search import run_search
from eval.store.store import open_store
from foundation.errors import ConfigurationError
from foundation.progress import Silent
from foundation.safetensors_header import read_metadata
from grid_folders import GridFolder, write_grid

UNITS, CELLS, REFERENCES = 2, 1, 4


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> GridFolder:
    """One cell of one file, drawn in one step, of one subject prompt and one of others."""
    made = write_grid(tmp_path_factory.mktemp("ways"), steps=1)
    text = made.spec.read_text(encoding="utf-8")
    text = text.replace("runs of hina ö/*.safetensors", "runs of hina ö/hina.safetensors")
    text = (
        text.replace('training = "Train"\n', "")
        .replace("unet = [0.5, 1.0]", "unet = [1.0]")
        .replace("seeds = 2", "seeds = 1")
    )
    made.spec.write_text("".join(line for line in text.splitlines(True) if not line.startswith("also")), "utf-8")
    for at, picture in enumerate(sorted((made.folder / "references").iterdir())):
        if at >= REFERENCES:
            picture.unlink()
    shutil.rmtree(made.folder / "Train")
    return made


def test_a_way_that_is_added_leaves_what_is_there_and_all_is_ranked_in_pairs(small: GridFolder, tmp_path: Path) -> None:
    alone = run_grid(read_spec(small.spec), Silent())
    assert (alone.cells, alone.rendered) == (CELLS, (CELLS + 1) * UNITS)
    record = GridRecord.model_validate(open_store(small.store).fact(KEY))
    assert (record.settings, {cell.setting for cell in record.cells}) == ([], {None}), "as an earlier version wrote it"
    before = [row_as_json(row) for row in open_ranked(small.store).rows]
    text = small.spec.read_text(encoding="utf-8")
    small.spec.write_text(text.replace("steps = 1", "steps = [1, 2]"), encoding="utf-8")
    expected = forecast(read_spec(small.spec))
    assert (expected.cells, expected.pictures, expected.cached) == (2 * CELLS, 8, 4)
    assert expected.amount.pictures == 4
    both = run_grid(read_spec(small.spec), Silent())
    assert (both.cells, both.rendered, both.existing) == (2 * CELLS, 4, 4)
    again = run_grid(read_spec(small.spec), Silent())
    assert (again.rendered, again.existing) == (0, 8)
    ranked = open_ranked(small.store)
    rows = {row.on.steps: row_as_json(row) for row in ranked.rows}
    assert rows.keys() == {1, 2}
    old = {key: before[0][key] for key in ("identity", "identity_normalised", "prompt", "checkpoint", "weights")}
    assert old.items() <= rows[1].items(), "a way is measured beside its own base model, as if it were alone"
    assert [one["steps"] for one in json.loads(json.dumps(rows[1]["elsewhere"]))] == [2]
    controls = {part.picture_id(None, part.snapshot.units[0]) for part in ranked.grid.by_setting}
    assert len(controls) == 2
    write_report(report_data(ranked), tmp_path / "report.html")
    assert "2 steps" in (tmp_path / "report.html").read_text(encoding="utf-8")
    write_sheet(ranked, tmp_path / "sheet.png")
    chosen = choose_cell(ranked.grid, ranked.rows, "2")
    written = export_cell(ranked.grid, chosen, tmp_path / "out.safetensors")
    recipe = json.loads(read_metadata(written.path)["lora_studio.recipe"])
    assert recipe["grid"]["steps"] == chosen.on.steps
    rescore(small.store, RescoreRequest(), Silent())
    assert [row.on for row in open_ranked(small.store).rows] == [row.on for row in ranked.rows]


def test_a_search_takes_one_way(small: GridFolder) -> None:
    asked = small.spec.read_text(encoding="utf-8").replace("steps = 1\n", "steps = [1, 2]\n")
    spec = small.folder / "search.toml"
    spec.write_text(asked, encoding="utf-8")
    says = r"drawn one way, and \[sampler\] steps lists 2: search with one of each, then run `python -m eval grid SPEC`"
    with pytest.raises(ConfigurationError, match=says):
        run_search(read_spec(spec), False, Silent())
