"""A search over weights by part is the search over the same weights said as `unet` and `te`."""

from __future__ import annotations

from pathlib import Path

from eval.request.spec import read_spec
from eval.search.run_search import run_search
from foundation.progress import Silent
from grid_folders import GridFolder
from searches import copy_of, pictures_of


def test_weights_by_part_are_searched_and_find_the_pictures_that_are_there(
    searched: GridFolder, tmp_path: Path
) -> None:
    before = run_search(read_spec(searched.spec), False, Silent()).record
    made = copy_of(searched, tmp_path / "grid")
    there = pictures_of(made.store)
    text = made.spec.read_text(encoding="utf-8")
    by_part = text.replace("unet = [0.5, 1.0]\nte = [0.4, 0.7]\n", "weights = { unet = [0.5, 1.0], te = [0.4, 0.7] }\n")
    assert by_part != text
    made.spec.write_text(by_part, encoding="utf-8")
    record = run_search(read_spec(made.spec), False, Silent()).record
    assert record.arms == before.arms
    assert record.finalists == before.finalists
    assert pictures_of(made.store) == there
