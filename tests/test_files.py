"""Files are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainer.files import sweep_partial, whole_file, write_text


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail_half_way() -> None:
        with whole_file(path) as beside:
            beside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_what_a_kill_left_is_swept(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.png") as beside:
        beside.write_text("done")
        left = beside.with_name(beside.name.replace("-", "-left"))
        left.write_text("half")
    sweep_partial(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
