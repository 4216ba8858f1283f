"""The torture in several processes at once: each its own works in a folder of its own, and one table of them all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torture.long_run.tried import LONG_RUN
from torture.processes import LIGHT_JOBS
from torture.readers import KINDS
from torture.table import Kept, Row
from torture.works import WORKS

TOGETHER = "together"
# In the order of the work: where time is short, each has its part of it, and what is never left out comes early.
PARTS = ("files", "processes", LONG_RUN, "kills", TOGETHER, "disks")
TRIES = "tries.jsonl"
LONG = ("import", "grid", "train", "search")


@dataclass(frozen=True)
class Lane:
    """What one process tries: parts, and of them these works, kinds of files, `TOGETHER` or `LONG_RUN`."""

    parts: tuple[str, ...]
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "+".join(self.parts)

    def of(self, parts: list[str], names: list[str]) -> Lane:
        """What of it is asked for; no names stand for all."""
        kept = tuple(one for one in self.names if not names or one in names)
        return Lane(tuple(one for one in self.parts if one in parts), kept)


# About as long each, and nothing that one makes is needed by the other. Ray and jobs of grids take minutes: in none.
LANES = (
    Lane(("kills", "disks"), LONG),
    Lane(
        PARTS,
        (
            *(kind.name for kind in KINDS),
            TOGETHER,
            LIGHT_JOBS,
            LONG_RUN,
            *(one.name for one in WORKS if one.name not in LONG),
        ),
    ),
)


def tried_in_lanes(
    folder: Path, name: str, parts: list[str], names: list[str], words: list[str], say: Callable[[str], None]
) -> tuple[list[Row], int]:
    """What all lanes found, and how many tries none had time for.

    Each lane keeps what it finds below `folder`, there under `name`. `words`: what else this program was told.
    Raises SystemExit where a lane came to no end of its own: what it has not tried is not survived.
    """
    asked = [one for one in (lane.of(parts, names) for lane in LANES) if one.parts and one.names]
    begun = [(lane, _begun(folder / str(lane), lane, words)) for lane in asked]
    rows, left_out = list[Row](), 0
    try:
        for lane, process in begun:
            said, _ = process.communicate()
            try:
                left_out += int(json.loads(said.splitlines()[-1])["left_out"])
            except (IndexError, ValueError, KeyError) as error:
                raise SystemExit(f"{lane}: ended with {process.returncode} and no figures") from error
            rows += Kept(folder / str(lane) / name / TRIES).rows
            say(f"{lane}: done")
    finally:
        for _, process in begun:  # none goes on alone where another came to no end
            process.kill()
    return rows, left_out


def _begun(kept: Path, lane: Lane, words: list[str]) -> subprocess.Popen[str]:
    own = [word for part in lane.parts for word in ("--part", part)]
    own += [word for one in lane.names for word in ("--only", one)]
    command = [sys.executable, str(Path(__file__).parent), *own, "--kept", str(kept), *words]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
