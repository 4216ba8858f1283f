"""Rows that lie in a file give the figures of rows in memory, and leave nothing behind."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.statistics import row_blocks
from eval.statistics.row_blocks import ROWS, by_rows, let_go, missing_rows


@given(st.integers(1, 3 * ROWS), st.booleans())
def test_a_figure_of_each_row_is_that_of_all_rows(rows: int, in_a_file: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_blocks, "LARGE", 0 if in_a_file else 2**40)
        room = missing_rows(rows * 3, 5)
    assert isinstance(room, np.memmap) == in_a_file
    assert np.isnan(room).all()
    given_rows = np.random.default_rng(rows).normal(size=room.shape).astype(np.float32)
    for number, row in enumerate(given_rows):
        room[number] = row
        if number % 7 == 0:
            let_go(room)
    let_go(room)
    placed = room.reshape(rows, 3, 5)[1:] if rows > 1 else room.reshape(rows, 3, 5)
    expected = given_rows.reshape(rows, 3, 5)[1:] if rows > 1 else given_rows.reshape(rows, 3, 5)
    middle = np.arange(5, dtype=np.float32)
    found = by_rows(lambda part: placed[part] @ middle, placed)
    assert np.array_equal(found, by_rows(lambda part: expected[part] @ middle, expected))
    assert type(by_rows(lambda part: placed[part].sum(-1), placed)) is np.ndarray
    assert np.array_equal(placed, expected), "what was let go of is still there"


def test_of_no_rows_the_figure_has_its_shape() -> None:
    empty = np.empty((0, 4, 3))
    assert by_rows(lambda part: empty[part].sum(-1), empty).shape == (0, 4)


def test_a_file_of_rows_has_no_name_and_a_full_disk_means_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_blocks, "LARGE", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    room = missing_rows(10, 4)
    assert isinstance(room, np.memmap)
    assert list(tmp_path.iterdir()) == []

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    room = missing_rows(10, 4)
    assert not isinstance(room, np.memmap)
    assert np.isnan(room).all()
    assert list(tmp_path.iterdir()) == []
