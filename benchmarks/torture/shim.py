"""The library that finds write points: compiled once, loaded into this very process, armed in the children it forks."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("write_points.c")


class Fault(IntEnum):
    """What happens at a write point; the numbers are those of the library."""

    COUNT = 0
    KILL = 1
    HALF = 2
    TERM = 3
    INT = 4
    FULL = 5
    READ_ONLY = 6
    BROKEN = 7


WORDS = {
    Fault.KILL: "SIGKILL before a write",
    Fault.HALF: "SIGKILL half-way through",
    Fault.TERM: "SIGTERM",
    Fault.INT: "SIGINT",
    Fault.FULL: "disk full",
    Fault.READ_ONLY: "disk read-only",
    Fault.BROKEN: "disk broken once",
}


def loaded_by_restart(kept: Path) -> ctypes.CDLL:
    """The library, with every call of this process going through it: the program is begun anew where it is not yet."""
    if sys.platform != "linux" or not shutil.which("cc"):
        raise SystemExit("torture: needs Linux and a C compiler (cc), by which write points are found; install gcc")
    library = kept / "write_points.so"
    if not library.is_file() or library.stat().st_mtime < SOURCE.stat().st_mtime:
        kept.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    if os.environ.get("LD_PRELOAD") != str(library):
        # One thread: a process that forks may have no others, and a figure may hang on none.
        own = {"LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **own})
    return ctypes.CDLL(str(library))


def arm(library: ctypes.CDLL, folder: Path, at: int, fault: Fault, listed: Path | None = None) -> None:
    """From now on, count what this process changes below `folder`, and have `fault` happen at the `at`-th (from 1)."""
    library.torture_arm(str(folder).encode(), ctypes.c_long(at), int(fault), str(listed).encode() if listed else None)
