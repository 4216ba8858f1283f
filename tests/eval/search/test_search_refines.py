"""Weights between the grid's, tried around the best finalist, join the finalists and cost what was said."""

from __future__ import annotations

from pathlib import Path

from eval.reporting.ranked_grid import open_ranked
from eval.reporting.search_sentences import in_sentences
from eval.request.plan import make_plan
from eval.request.spec import read_spec
from eval.search.run_search import run_search
from foundation.progress import Silent
from grid_folders import GridFolder
from searches import Heard, copy_of, most_of, pictures_of, with_search


def test_weights_between_the_grids_join_the_finalists_and_are_made_once(written: GridFolder, tmp_path: Path) -> None:
    made, heard = copy_of(written, tmp_path / "grid"), Heard()
    spec = with_search(read_spec(made.spec), method="halving", refine_trials=3, refine_units=1)
    record = run_search(spec, False, heard).record
    assert (record.arms, record.refined) == (12, 3)
    assert 1 <= record.joined <= 2
    rows = open_ranked(made.store).rows
    assert len(rows) == len(record.finalists) == 2 + record.joined
    of_the_grid = {cell.id for cell in make_plan(spec).cells}
    assert sum(row.cell not in of_the_grid for row in rows) == record.joined
    assert all(row.pictures >= record.confirm_units for row in rows)
    assert "weights between and beside the grid's" in " ".join(in_sentences(record))
    assert any("3 cells x 1 pairs" in line for line in heard.lines)
    assert record.rendered == len(pictures_of(made.store)) <= most_of(heard)
    there = pictures_of(made.store)
    assert run_search(spec, False, Silent()).record == record
    assert pictures_of(made.store) == there


def test_few_cells_are_refined_as_well(written: GridFolder, tmp_path: Path) -> None:
    """Where all cells are finalists, no round has met anything to start from; and no trial is confirmed on its own."""
    made, heard = copy_of(written, tmp_path / "grid"), Heard()
    spec = with_search(read_spec(made.spec), finalists=12, refine_trials=1, refine_units=2)
    record = run_search(spec, False, heard).record
    assert record.refined == 1
    assert len(record.finalists) == 12 + record.joined
    units = open_ranked(made.store).grid.snapshot.units
    assert min(unit.seed for unit in units if unit.role == "subject") > spec.search.refine_units
    assert record.rendered <= most_of(heard)
