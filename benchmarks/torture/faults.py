"""Which faults each work is put through: every write point, and instants at random."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from torture.shim import WORDS, Fault
from torture.table import Kept, Row
from torture.tries import Bench
from torture.works import WORKS

# How many of the chosen write points meet each fault, of 1. All of them meet the kill.
PARTS = {
    Fault.KILL: 1.0,
    Fault.FULL: 0.5,
    Fault.HALF: 0.2,
    Fault.READ_ONLY: 0.1,
    Fault.BROKEN: 0.1,
    Fault.TERM: 0.1,
    Fault.INT: 0.05,
}
INSTANTS = 20  # a work, at random
AT_RANDOM = "SIGKILL at a random instant"


def tried_works(
    library: ctypes.CDLL, kept: Kept, folder: Path, share: float, seed: int, only: list[str], say: Callable[[str], None]
) -> None:
    """All faults of all works, those left out that are in `kept` already."""
    works = [work for work in WORKS if not only or work.name in only]
    for at, work in enumerate(works):
        if kept.is_over:
            say(f"{work.name}: no time is left")
            continue
        with kept.part_of(len(works) - at):
            _tried_work(Bench(work, folder / work.name, library), kept, share, seed, say)


def _tried_work(bench: Bench, kept: Kept, share: float, seed: int, say: Callable[[str], None]) -> None:
    work, whole = bench.work, bench.whole()
    points = whole.chosen(Random(f"{seed} {work.name}"))
    say(f"{work.name}: {len(whole.points)} write points, {len(points)} to try, {whole.seconds:.1f} s a run")
    for fault, at in _drawn(points, whole.points, share, Random(f"{seed} {work.name} faults")):
        what = f"{work.name}, point {at} of {len(whole.points)} ({whole.points[at - 1].split(' ')[0]})"
        if kept.wants(WORDS[fault], what):
            _note(kept, Row(WORDS[fault], what, bench.try_point(whole, at, fault).as_row()), say)
    draw = Random(f"{seed} {work.name} instants")
    for number in range(_share_of(INSTANTS, share)):
        seconds = draw.uniform(0, whole.seconds)
        what = f"{work.name}, instant {number + 1}"
        if kept.wants(AT_RANDOM, what):
            _note(kept, Row(AT_RANDOM, what, bench.try_instant(whole, seconds).as_row()), say)


def _note(kept: Kept, row: Row, say: Callable[[str], None]) -> None:
    kept.add(row)
    if row.wrong:
        say(f"{row.fault}: {row.what}: {row.wrong}")


def _drawn(points: list[int], calls: list[str], share: float, draw: Random) -> Iterator[tuple[Fault, int]]:
    for fault, part in PARTS.items():
        own = [at for at in points if fault != Fault.HALF or calls[at - 1].startswith(("write", "pwrite"))]
        yield from ((fault, at) for at in sorted(draw.sample(own, _share_of(len(own), share * part))))


def _share_of(count: int, share: float) -> int:
    return min(count, max(1, round(count * share)))
