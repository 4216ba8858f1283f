"""Disks and clocks that behave oddly while a command runs: a folder that goes, a file that is another, no TMPDIR."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from torture.shim import Fault
from torture.table import Kept, Row
from torture.tries import ANOTHER, MORE, Bench, Ended, Meanwhile, Seen, bench_of
from torture.works import WORKS

ANOTHER_RUN = "belongs to another run named"
ROUNDS = 10  # of each, at instants drawn at random
TOUCHED = {  # of each work: the folder that goes, the file that is replaced, and by which
    "grid": ("läufe", "runs of hina ö/hina.safetensors", "runs of hina ö/hina-000001.safetensors"),
    "import": ("store", "bare/00003.png", "bare/00002.png"),
    "train": ("out", "Train/1_ohwx person/{first}", "Train/1_ohwx person/{second}"),
    "bake": ("base", "one.safetensors", "two.safetensors"),
}
Try = Callable[[Bench, Random], Seen]


def tried_disks(
    library: ctypes.CDLL, kept: Kept, folder: Path, share: float, seed: int, only: list[str], say: Callable[[str], None]
) -> None:
    """Each oddity with each work of `TOUCHED`."""
    works = [one for one in WORKS if one.name in TOUCHED and (not only or one.name in only)]
    for at, work in enumerate(works):
        if kept.is_over:
            say(f"{work.name}: no time is left")
            continue
        with kept.part_of(len(works) - at):
            _tried_work(bench_of(work, folder, library), kept, max(1, round(ROUNDS * share)), seed, say)


def _tried_work(bench: Bench, kept: Kept, rounds: int, seed: int, say: Callable[[str], None]) -> None:
    name, whole = bench.work.name, bench.whole
    say(f"{name}: {len(whole.points)} write points, {whole.seconds:.1f} s a run")
    for fault, tried in ODDITIES.items():
        for what in (f"{name}, round {number}" for number in range(rounds)):
            if kept.wants(fault, what):
                row = Row(fault, what, tried(bench, Random(f"{seed} {fault} {what}")).as_row())
                kept.add(row)
                if row.wrong:
                    say(f"{fault}: {what}: {row.wrong}")


def _vanished(bench: Bench, draw: Random) -> Seen:
    """The folder is renamed away, as a share that is unmounted; afterwards it is there again."""
    place, away = bench.here / TOUCHED[bench.work.name][0], bench.here.with_name("away")
    bench.renew()
    shutil.rmtree(away, ignore_errors=True)

    def go(_: int) -> None:
        with suppress(FileNotFoundError):
            place.rename(away)

    ended = bench.run(meanwhile=Meanwhile(draw.uniform(0, bench.whole.seconds), go))
    if away.is_dir():
        shutil.rmtree(place, ignore_errors=True)
        away.rename(place)
    return bench.judged(ended, Fault.BROKEN)


def _replaced(bench: Bench, draw: Random) -> Seen:
    """An input becomes another sound file of its kind while it is read; afterwards it is itself again."""
    bench.renew()
    names = {}
    if bench.work.name == "train":
        found = sorted((bench.here / "Train").glob("*/*.png"))
        names = {"first": found[0].name, "second": found[1].name}
    path, other = (bench.here / one.format(**names) for one in TOUCHED[bench.work.name][1:])
    sound, facts = path.read_bytes(), path.stat()

    def swap(_: int) -> None:
        beside = path.with_name("swapped")
        shutil.copyfile(other, beside)
        os.replace(beside, path)

    ended = bench.run(meanwhile=Meanwhile(draw.uniform(0, bench.whole.seconds), swap))
    path.write_bytes(sound)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    seen = bench.judged(ended, Fault.BROKEN)
    if bench.work.name == "import":  # which has copied the other picture, and rightly copies the sound one over it
        seen.lost = [one for one in seen.lost if not one.endswith(ANOTHER)]
    # Swapped before it was first read, it is another input: what was made of it stays, beside or in the way.
    if bench.work.name == "grid":
        seen.duplicates = [one for one in seen.duplicates if not one.startswith(MORE)]
    if bench.work.name == "train":
        seen.lost = [one for one in seen.lost if ANOTHER_RUN not in one]
    return seen


def _clock_back(bench: Bench, draw: Random) -> Seen:
    """Killed, and run again on a clock that is a day behind what the files say."""
    bench.renew()
    ended = bench.run(draw.randint(1, len(bench.whole.points)), Fault.KILL)
    ahead = time.time() + 86_400
    for path in bench.here.rglob("*"):
        if path.is_file() and path.suffix != ".png":  # whose times would make them look as if made again
            os.utime(path, (ahead, ahead))
    return bench.judged(ended, Fault.KILL)


def _no_temporary_folder(bench: Bench, draw: Random) -> Seen:
    """TMPDIR names what is not there."""
    bench.renew()
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"], tempfile.tempdir = str(bench.here.with_name("is not there")), None
    try:
        ended: Ended = bench.run()
    finally:
        tempfile.tempdir = None
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
    return bench.judged(ended, Fault.BROKEN)


ODDITIES: dict[str, Try] = {
    "a folder vanishes": _vanished,
    "a file is replaced while it is read": _replaced,
    "the clock jumps back": _clock_back,
    "TMPDIR is not there": _no_temporary_folder,
}
