"""Files are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from foundation.files import OWNER, PARTIAL, partial_beside, sweep_partial, whole_file, write_text

ROOT = Path(__file__).resolve().parents[2]


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


HALF_WRITTEN = """
import os, sys
from pathlib import Path
from foundation.files import whole_file
with whole_file(Path(sys.argv[1])) as beside:
    beside.write_text("half")
    print("half", flush=True)
    sys.stdin.read()
"""


def _writer(path: Path) -> subprocess.Popen[str]:
    """Another process that is half-way through writing `path`, and ends well once its input is closed."""
    command = [sys.executable, "-c", HALF_WRITTEN, str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "half\n"
    return process


def test_what_a_living_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    writer = _writer(tmp_path / "a.txt")
    sweep_partial(tmp_path)
    writer.communicate()
    assert writer.returncode == 0
    assert (tmp_path / "a.txt").read_text() == "half"


def test_what_a_kill_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "whole.txt").write_text("whole")
    writer = _writer(tmp_path / "a.txt")
    writer.kill()
    writer.communicate()
    assert len(list(tmp_path.iterdir())) == 2
    sweep_partial(tmp_path, "b")
    assert len(list(tmp_path.iterdir())) == 2
    sweep_partial(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["whole.txt"]


def test_another_hosts_file_is_swept_after_a_day(tmp_path: Path) -> None:
    """Its process cannot be asked: the number may be anybody's here."""
    name = OWNER.sub(f"-ffffffff-{os.getpid()}-00000000{PARTIAL}", partial_beside(tmp_path / "a.txt").name)
    young, old = tmp_path / name, tmp_path / f"old{name}".replace("old.", ".old")
    for path, age in ((young, 3600), (old, 25 * 3600)):
        path.write_text("half")
        os.utime(path, (time.time() - age,) * 2)
    sweep_partial(tmp_path)
    assert list(tmp_path.iterdir()) == [young]
