"""`eval rank` at any width, its columns by name, and its numbers as names of cells."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from eval.__main__ import main
from eval.exporting.export import choose_cell
from eval.exporting.exported import ExportError
from eval.reporting.ranked_grid import RankedGrid, open_ranked
from synthetic_store import Size, write_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(
        tmp_path_factory.mktemp("store"), Size(epochs=(1, 2, 3), unet=(0.5, 1.0), te=(0.0, 1.0), seeds=2)
    )


@pytest.fixture(scope="module")
def ranked(store: Path) -> RankedGrid:
    return open_ranked(store)


def said(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["eval", *words])
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("coloured", ["piped", "in colour"])
def test_at_any_width_every_row_has_its_number_name_and_identity(
    width: int,
    coloured: str,
    store: Path,
    ranked: RankedGrid,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    if coloured == "in colour":
        monkeypatch.setenv("FORCE_COLOR", "1")
    code, out, _ = said(["rank", str(store)], monkeypatch, capsys)
    assert code == 0
    assert ("\x1b[" in out) == (coloured == "in colour")
    plain = "".join(part.partition("m")[2] if at else part for at, part in enumerate(out.split("\x1b[")))
    assert max(map(cell_len, plain.splitlines())) <= width
    for row in ranked.rows:
        shown = next(line for line in plain.splitlines() if line.split()[:1] == [str(row.place)])
        assert row.checkpoint in shown
        assert f"{row.identity:.3f}" in plain
    assert "…" not in plain


def test_a_pipe_gets_every_column_and_wide_gives_them_to_a_terminal(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    piped = said(["rank", str(store)], monkeypatch, capsys)[1]
    assert "no room for" not in piped
    monkeypatch.setenv("COLUMNS", "80")
    narrow = said(["rank", str(store)], monkeypatch, capsys)[1]
    assert "no room for: " in narrow
    wide = said(["rank", str(store), "--wide"], monkeypatch, capsys)[1]
    heading = next(line for line in piped.splitlines() if line.lstrip().startswith("#"))
    assert heading in wide
    assert heading not in narrow


def test_columns_and_rows_are_those_that_are_asked_for(
    store: Path, ranked: RankedGrid, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = said(["rank", str(store), "--columns", "identity,checkpoint", "--rows", "2"], monkeypatch, capsys)
    first = ranked.rows[0]
    lines = [line.split() for line in out.splitlines()]
    assert ["#", "identity", "checkpoint"] in lines
    assert ["1", f"{first.identity:.3f}", first.checkpoint] in lines
    assert ["3", f"{ranked.rows[2].identity:.3f}", ranked.rows[2].checkpoint] not in lines
    assert f"... and {len(ranked.rows) - 2} more; --rows {len(ranked.rows)} shows them all" in out
    code, out, err = said(["rank", str(store), "--columns", "identity,likness"], monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert err.startswith("error: --columns: no column is called likness; there are: standing, checkpoint, UNet")


def test_a_rows_number_names_its_cell(ranked: RankedGrid) -> None:
    for number, row in enumerate(ranked.rows, 1):
        assert choose_cell(ranked.grid, ranked.rows, str(number)) is row
    assert choose_cell(ranked.grid, ranked.rows, ranked.rows[1].cell).cell == ranked.rows[1].cell
    numbered = [replace(row, cell=f"{at}0123456789") for at, row in enumerate(ranked.rows)]
    assert choose_cell(ranked.grid, numbered, "00123456").cell == "00123456789"
    for wanted in ("0", "00", "001234", str(len(ranked.rows) + 1), ""):
        with pytest.raises(ExportError, match=rf"--cell {wanted}: there is no such row; give best, or a row's number"):
            choose_cell(ranked.grid, numbered, wanted)
    assert choose_cell(ranked.grid, ranked.rows, "best") is ranked.rows[0]
    with pytest.raises(ExportError, match=rf"--cell 0x: no cell .* a row's number from 1 to {len(ranked.rows)}"):
        choose_cell(ranked.grid, ranked.rows, "0x")
