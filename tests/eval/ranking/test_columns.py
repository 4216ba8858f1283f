"""The columns are declared once: what is added there is in the table, in JSON, in the report and in the studio."""

import json
import re
from collections import Counter
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console, Group

from eval.ranking import columns
from eval.ranking.column import SHARE, Column, measured_figure
from eval.ranking.columns import COLUMNS, STANDING, row_as_json, table_columns
from eval.ranking.evidence import Evidence
from eval.ranking.limits import Limits
from eval.ranking.ranking import rank
from eval.ranking.scores import Scores, score
from eval.reporting.ranked_grid import open_ranked
from eval.reporting.ranking_table import ranking_lines
from eval.reporting.report import ReportData, write_report
from eval.store.store import KeptPicture
from loras.weights import Weights
from studio.ranking.ranking_rows import ranking_table, tiles_of
from studio.shared.stores import open_for_pages
from synthetic_evidence import make_evidence, of_a_teapot, without_faces
from synthetic_store import Size, write_store

DOCS = Path(__file__).resolve().parents[3] / "docs" / "scoring.md"
KEYS = [
    "cell",
    "checkpoint",
    "unet",
    "te",
    "weights",
    "also",
    "identity",
    "expected",
    "identity_low",
    "identity_high",
    "expected_normalised",
    "identity_normalised",
    "prompt",
    "prompt_low",
    "prompt_high",
    "face_rate",
    "face_rate_low",
    "face_rate_high",
    "extra_faces",
    "bleed",
    "bleed_low",
    "bleed_high",
    "copy",
    "copy_low",
    "copy_high",
    "spread",
    "pictures",
    "tied_with_best",
    "standing",
    "difference_low",
    "difference_high",
    "difference_that_matters",
    "gain",
    "gain_low",
    "gain_high",
    "gain_that_matters",
    "worth_taking",
    "flags",
    "probability_best",
    "pareto_front",
    "trends",
    "second",
    "scored_by",
    "licences",
]
FACTS_OF_A_CELL = {"cell", "checkpoint", "unet", "te", "te1", "te2", "also"}


def cell_numbers(evidence: Evidence, scores: Scores) -> np.ndarray:
    """A figure to plant: 0.01 for the first cell of the evidence, 0.02 for the second; not known of the last."""
    found = (np.arange(len(evidence.cells)) + 1) / 100
    found[-1] = np.nan
    return found


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Column:
    column = measured_figure("cell_number", "number", "how late {others} come", cell_numbers, SHARE, worth=0)
    monkeypatch.setattr(columns, "COLUMNS", (*COLUMNS, column))
    return column


def printed(evidence: Evidence, width: int = 220) -> str:
    console = Console(width=width, record=True, file=StringIO())
    console.print(Group(*ranking_lines(rank(evidence), evidence, width)))
    return console.export_text()


def test_a_figure_that_is_declared_is_in_the_table_in_json_in_the_report_and_in_the_studio(
    planted: Column, tmp_path: Path
) -> None:
    evidence = make_evidence([0.3, 0.6, 0.2])
    rows = rank(evidence)
    assert [row_as_json(row)["cell_number"] for row in rows] == [0.02, 0.01, None]
    table = printed(evidence).splitlines()
    assert table[0].split()[-1] == "number"
    assert [line.rstrip().rpartition("  ")[2] for line in table[1:4]] == ["2 %", "1 %", "-"]
    write_report(
        ReportData("", evidence, rows, lambda cell, unit: KeptPicture(tmp_path / "none.png", "not made"), {}),
        tmp_path / "r.html",
    )
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert '<td class="right">2 %</td>\n</tr>' in page
    assert "<dt>number</dt><dd>how late other people come</dd>" in page
    opened = open_for_pages(write_store(tmp_path, Size(epochs=(1, 2), unet=(1.0,), te=(1.0,), seeds=2)))
    table = ranking_table(opened, range(len(opened.rows)))
    assert {one for one in table["number"].to_pylist() if one is not None} == {1.0, 2.0}


def test_every_table_has_the_same_headings_in_the_same_order(tmp_path: Path) -> None:
    store = write_store(tmp_path, Size(epochs=(1, 2), unet=(1.0,), te=(1.0,), seeds=2))
    opened, ranked = open_for_pages(store), open_ranked(store)
    declared = [column.heading for column in table_columns(ranked.rows)]
    assert declared[0] == STANDING.heading
    assert ranking_table(opened, range(len(opened.rows))).column_names == ["#", "picture", "each picture", *declared]
    write_report(
        ReportData(
            "", ranked.evidence, ranked.rows, lambda cell, unit: KeptPicture(tmp_path / "none.png", "not made"), {}
        ),
        tmp_path / "r.html",
    )
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', page) == ["#", *declared]
    assert re.findall(r"<dt>([^<]*)</dt>", page) == declared
    console = Console(width=300, record=True, file=StringIO())
    console.print(Group(*ranking_lines(ranked.rows, ranked.evidence, 300)))
    assert re.split(r"\s{2,}", console.export_text().splitlines()[0].strip()) == ["#", *declared[1:]]


def test_a_heading_and_a_key_stand_for_one_thing() -> None:
    headings = Counter(column.heading for column in COLUMNS if column.heading)
    keys = Counter(key for column in COLUMNS for key in column.json)
    assert set(headings.values()) == set(keys.values()) == {1}
    assert all(column.meaning for column in COLUMNS if column.heading)


def test_every_key_is_explained_in_the_doc() -> None:
    told = set(re.findall(r"`(\w+)`", DOCS.read_text(encoding="utf-8")))
    assert {key for column in COLUMNS for key in column.json} - FACTS_OF_A_CELL - told == set()


def test_the_first_row_is_first_and_nothing_beside_itself_and_a_limit_is_told_even_of_it() -> None:
    rows = rank(make_evidence([0.6, 0.6, 0.2], training=0))
    assert [STANDING.text(row) for row in rows] == ["first", "cannot tell", "worse"]
    assert [row.place for row in rows] == [1, 2, 3]
    lost = np.ones((2, 20), dtype=bool)
    broken = rank(without_faces(make_evidence([0.6, 0.2]), lost), Limits(bleed=None, copy=None))
    assert [STANDING.text(row) for row in broken] == ["limit: faces", "limit: faces"]


def test_nothing_lost_is_no_minus_and_what_is_not_measured_is_no_zero() -> None:
    row = replace(rank(make_evidence([0.6, 0.2]))[0], prompt=-0.0001, bleed=None)
    shown = {column.heading: column.text(row) for column in COLUMNS}
    assert (shown["prompt"], shown["bleed"]) == ("+0.000", "-")
    assert "Bleed" not in [tile.name for tile in tiles_of(row, make_evidence([0.6]).words)]


def test_json_has_the_keys_of_the_contract_and_is_valid() -> None:
    rows = [row_as_json(row) for row in rank(make_evidence([0.6, 0.3], training=0))]
    assert list(rows[0]) == KEYS
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert all(value == round(value, 4) for row in rows for value in row.values() if isinstance(value, float))


def test_extra_faces_are_the_share_of_subject_pictures_with_more_than_one_face() -> None:
    evidence = make_evidence([0.6, 0.3])
    counts, failed = evidence.face_counts.copy(), evidence.failed.copy()
    counts[0, [0, 1, 2]], counts[0, evidence.where("bleed")] = (2, 3, 5), 2
    failed[0, 2] = True  # noise that a detector takes for faces
    crowded = replace(evidence, face_counts=counts, failed=failed)
    found = {row.cell: row_as_json(row)["extra_faces"] for row in rank(crowded)}
    assert found == {"cell000": 0.125, "cell001": 0.0}
    heading, *shown = (line.split("  ") for line in printed(crowded).splitlines()[:3])
    assert "extra faces" in map(str.strip, heading)
    assert ["12 %" in map(str.strip, line) for line in shown] == [True, False]
    assert {row_as_json(row)["extra_faces"] for row in rank(of_a_teapot(crowded))} == {None}
    assert "extra faces" not in printed(of_a_teapot(crowded))


def test_two_text_encoders_with_different_weights_have_two_keys() -> None:
    evidence = make_evidence([0.6])
    cells = [replace(evidence.cells[0], weights=Weights(0.8, 0.5, 0.25))]
    row = row_as_json(rank(replace(evidence, cells=cells))[0])
    assert (row["te"], row["te1"], row["te2"]) == (None, 0.5, 0.25)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_table_fits_the_terminal_without_cutting_figures(width: int) -> None:
    evidence = make_evidence([0.6, 0.3])
    rows = rank(evidence)
    console = Console(width=width, record=True, file=StringIO())
    console.print(Group(*ranking_lines(rows, evidence, width)))
    text = " ".join(console.export_text().split())
    assert f"hina-000001 0.8 0.6 {rows[0].identity:.3f}" in text
    assert "…" not in text
    assert "10 held-out references" in text
    assert f"100 % ({100 * (rows[0].face_rate_low or 0):.0f} to 100)" in text
    assert f"Base model without a LoRA: identity {score(evidence).floor:.3f} (the floor), faces 100 %" in text
    assert "19 times in 20" in text
