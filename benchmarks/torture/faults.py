"""Which faults each work is put through: every write point, and instants at random."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

from torture.shim import WORDS, Fault
from torture.table import Kept, Row
from torture.tries import Bench, Seen, Whole, bench_of
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
Try = tuple[str, str, Callable[[Bench], Seen]]  # the fault, at what, and how it is tried


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
            _tried_work(bench_of(work, folder, library), kept, share, seed, say)


def _tried_work(bench: Bench, kept: Kept, share: float, seed: int, say: Callable[[str], None]) -> None:
    work, whole = bench.work, bench.whole
    points = whole.chosen(Random(f"{seed} {work.name}"))
    say(f"{work.name}: {len(whole.points)} write points, {len(points)} to try, {whole.seconds:.1f} s a run")
    draw = Random(f"{seed} {work.name} faults")
    tries = list(_at_points(points, whole, share, draw)) + list(_at_instants(whole, share, draw))
    draw.shuffle(tries)  # of all kinds some are tried, wherever time runs out
    for fault, where, tried in tries:
        what = f"{work.name}, {where}"
        if kept.wants(fault, what):
            row = Row(fault, what, tried(bench).as_row())
            kept.add(row)
            if row.wrong:
                say(f"{row.fault}: {row.what}: {row.wrong}")


def _at_points(points: list[int], whole: Whole, share: float, draw: Random) -> Iterator[Try]:
    for fault, at in _drawn(points, whole.points, share, draw):
        what = f"point {at} of {len(whole.points)} ({whole.points[at - 1].split(' ')[0]})"
        yield WORDS[fault], what, partial(Bench.try_point, at=at, fault=fault)


def _at_instants(whole: Whole, share: float, draw: Random) -> Iterator[Try]:
    for number in range(_share_of(INSTANTS, share)):
        seconds = draw.uniform(0, whole.seconds)
        yield AT_RANDOM, f"instant {number + 1}", partial(Bench.try_instant, seconds=seconds)


def _drawn(points: list[int], calls: list[str], share: float, draw: Random) -> Iterator[tuple[Fault, int]]:
    for fault, part in PARTS.items():
        own = [at for at in points if fault != Fault.HALF or calls[at - 1].startswith(("write", "pwrite"))]
        yield from ((fault, at) for at in sorted(draw.sample(own, _share_of(len(own), share * part))))


def _share_of(count: int, share: float) -> int:
    return min(count, max(1, round(count * share)))
