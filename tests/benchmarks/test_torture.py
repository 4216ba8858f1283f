"""The torture itself: its write points are those of the system, its faults happen there, and its figures add up."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from foundation.errors import UserError
from torture.lanes import LANES, PARTS, TOGETHER, Lane
from torture.long_run.tried import LONG_RUN
from torture.mutations import mutated
from torture.processes import LIGHT_JOBS
from torture.readers import KINDS
from torture.shim import SOURCE, Fault
from torture.table import Kept, Row, figures_of, processor_seconds, table_of
from torture.works import ROOT, WORKS

needs_cc = pytest.mark.skipif(not (shutil.which("cc") and sys.platform == "linux"), reason="no C compiler, or no Linux")
WRITER = """
import os, sqlite3, sys
folder = sys.argv[1]
with open(f"{folder}/.a.partial", "wb", buffering=0) as stream:
    stream.write(b"x" * 1000)
    os.fsync(stream.fileno())
os.replace(f"{folder}/.a.partial", f"{folder}/a")
connection = sqlite3.connect(f"{folder}/a.sqlite")
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("CREATE TABLE t (x)")
connection.execute("INSERT INTO t VALUES (1)")
connection.commit()
connection.close()
print("done")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("library") / "write_points.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(made), str(SOURCE), "-ldl"], check=True)
    return made


def run(library: Path, folder: Path, at: int, fault: Fault, *tracer: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    own = {"LD_PRELOAD": str(library), "TORTURE_FOLDER": str(folder), "TORTURE_LIST": f"{folder}.points"}
    own |= {"TORTURE_AT": str(at), "TORTURE_MODE": str(int(fault))}
    command = [*tracer, sys.executable, "-c", WRITER, str(folder)]
    return subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, check=False)


def points_of(folder: Path) -> list[str]:
    return [line.split(" ")[0] for line in Path(f"{folder}.points").read_text().splitlines()]


@needs_cc
def test_a_kill_is_where_it_was_asked_for_and_half_a_write_is_half(library: Path, tmp_path: Path) -> None:
    assert run(library, tmp_path / "whole", 0, Fault.COUNT).stdout == "done\n"
    points = points_of(tmp_path / "whole")
    assert points[:4] == ["open", "write", "fsync", "rename"]
    assert {"pwrite64", "fdatasync", "unlink"} <= set(points)

    assert run(library, tmp_path / "half", 2, Fault.HALF).returncode == -signal.SIGKILL
    assert (tmp_path / "half" / ".a.partial").stat().st_size == 500
    assert run(library, tmp_path / "before", 4, Fault.KILL).returncode == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "before").iterdir()] == [".a.partial"]
    assert run(library, tmp_path / "last", len(points), Fault.KILL).returncode == -signal.SIGKILL
    assert len(points_of(tmp_path / "last")) == len(points)


@needs_cc
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.FULL, "No space left on device"),
        (Fault.READ_ONLY, "Read-only file system"),
        (Fault.BROKEN, "Input/output error"),
    ],
)
def test_a_disk_fails_as_asked(fault: Fault, said: str, library: Path, tmp_path: Path) -> None:
    done = run(library, tmp_path / "disk", 2, fault)
    assert done.returncode == 1
    assert said in done.stderr
    assert not (tmp_path / "disk" / "a").exists()


@needs_cc
@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
def test_write_points_are_the_calls_that_the_system_sees(library: Path, tmp_path: Path) -> None:
    """What went by the library would never be broken."""
    calls = "write,writev,pwrite64,ftruncate,rename,unlink,fsync,fdatasync,mkdir,openat"
    traced = tmp_path / "traced"
    tracer = ("strace", "-f", "-qq", "-y", "-e", f"trace={calls}", "-o", str(traced))
    done = run(library, tmp_path / "folder", 0, Fault.COUNT, *tracer)
    if done.returncode:
        pytest.skip("strace may not trace here")
    below = re.compile(re.escape(str(tmp_path / "folder")) + "[/>]")
    lines = [line.split(None, 1)[1] for line in traced.read_text().splitlines() if below.search(line)]
    seen = [line.partition("(")[0] for line in lines if not line.startswith("openat") or "O_CREAT" in line]
    assert sorted(one.replace("openat", "open") for one in seen) == sorted(points_of(tmp_path / "folder"))


def test_rows_are_kept_and_counted(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "tries.jsonl")
    kept.add(Row("disk full", "grid, point 1", {}))
    kept.add(Row("disk full", "grid, point 2", {"lost": ["a"], "hangs": ["b"]}))
    again = Kept(tmp_path / "tries.jsonl")
    assert again.rows == kept.rows
    assert not again.wants("disk full", "grid, point 2")
    assert again.wants("disk full", "grid, point 3")
    assert table_of(again.rows) == ["fault       tries  survived  lost", "disk full       2         1     1"]
    figures = {"tries": 2, "lost": 1, "corrupt": 0, "duplicates": 0, "unnamed": 0, "hangs": 1}
    assert figures_of(again.rows) == figures


def test_every_work_and_kind_of_file_is_in_one_lane() -> None:
    names = [name for lane in LANES for name in lane.names]
    others = (TOGETHER, LIGHT_JOBS, LONG_RUN)
    assert sorted(names) == sorted([*(work.name for work in WORKS), *(kind.name for kind in KINDS), *others])
    assert {part for lane in LANES for part in lane.parts} == set(PARTS)
    only_grid = [lane.of(["kills", "files"], ["grid"]) for lane in LANES]
    assert only_grid == [Lane(("kills",), ("grid",)), Lane(("files", "kills"), ())]


def test_nothing_is_begun_when_the_time_is_over_and_it_is_said(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "tries.jsonl", seconds=3600)
    assert kept.wants("disk full", "a")
    with kept.part_of(10**9):
        began = processor_seconds()
        while processor_seconds() == began:
            pass
        assert not kept.wants("disk full", "a")
    assert kept.wants("disk full", "a")
    assert kept.left_out == 1


def test_the_same_draw_breaks_alike_and_others_otherwise() -> None:
    data = b'{"a": 12, "b": [1.5, null], "c": "words"}' * 5
    broken = [mutated(data, [b"other" * 9], Random(number)) for number in range(60)]
    assert broken == [mutated(data, [b"other" * 9], Random(number)) for number in range(60)]
    assert len(set(broken)) > 50
    assert mutated(b"", [], Random(1)) is not None


def test_a_file_that_was_read_before_is_read_anew_when_it_is_broken(tmp_path: Path) -> None:
    read = next(kind for kind in KINDS if kind.name == "texts").reads[0]
    path = tmp_path / "vocabulary.toml"
    path.write_bytes((ROOT / "trainer" / "captioning" / "vocabulary.toml").read_bytes())
    read(path)
    path.write_text("= no table", encoding="utf-8")
    with pytest.raises(UserError):
        read(path)
