"""Commands that work by other processes: a Ray worker, its coordinator, a studio's job and its runner are killed."""

from __future__ import annotations

import ctypes
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import psutil

from studio.jobs.job_queue import again, put_in
from studio.jobs.job_state import state_of
from studio.jobs.kept_job import JobFiles, Started, new_job, read_job
from torture.shim import Fault
from torture.table import Kept, Row
from torture.tries import HANG, Bench, Ended, Meanwhile, Seen
from torture.works import WORKS, Work, command

ROUNDS = 10  # of each, at instants drawn at random
LIGHT_JOBS = "light jobs"  # what CI has time for: they begin in two seconds, a grid in fifteen
WORKER = "ray::RemoteWorker"
FAREWELL = 60.0  # seconds in which what a killed coordinator had begun is to end by itself
Try = Callable[[Bench, Random], Seen]


@dataclass(frozen=True)
class Told:
    """What the studio is told to do, and the file by which one sees that it is at it; none: as soon as it is begun."""

    room: str
    words: tuple[str, ...]
    sign: str | None = None


GRID = Told("eval", ("grid", "grid.toml", "--force"), "läufe/eval/grid.sqlite")
CAPTIONS = Told("trainer", ("caption", "Train", "--replace", "ohwx", "--with", "zzyx"))
START = 4.0  # seconds in which a job that shows no file is killed


def tried_processes(
    library: ctypes.CDLL, kept: Kept, folder: Path, share: float, seed: int, only: list[str], say: Callable[[str], None]
) -> None:
    """Each of it, on the grid; light ones on captions."""
    works = {work.name: work for work in WORKS}
    grid, captions = works["grid"], works["captions"]
    ray = Work("ray", grid.make, command(GRID.room, *GRID.words, "--ray", "auto"))
    known = {LIGHT_JOBS: captions, "ray": ray, "jobs": grid}
    asked = {name: work for name, work in known.items() if not only or name in only}
    for at, (name, work) in enumerate(asked.items()):
        if kept.is_over:
            say(f"{name}: no time is left")
            continue
        with kept.part_of(len(asked) - at):
            _tried(Bench(work, folder / f"processes of {name}", library), TRIES[name], kept, share, seed, say)


def _tried(
    bench: Bench, tries: dict[str, Try], kept: Kept, share: float, seed: int, say: Callable[[str], None]
) -> None:
    say(f"{', '.join(tries)}: {bench.whole.seconds:.1f} s a run")
    for number in range(max(1, round(ROUNDS * share))):
        for fault, tried in tries.items():
            what = f"{bench.work.name}, round {number}"
            if kept.wants(fault, what):
                row = Row(fault, what, tried(bench, Random(f"{seed} {fault} {what}")).as_row())
                kept.add(row)
                say(f"{fault}: {what}: {row.wrong or 'survived'}")


def _worker_killed(bench: Bench, draw: Random) -> Seen:
    """The grid is to come to its end by itself: Ray begins another worker."""
    killed = list[int]()
    bench.renew()
    sometime = Meanwhile(
        draw.uniform(0, bench.whole.seconds / 2), lambda coordinator: _kill_a_worker(coordinator, killed)
    )
    ended = bench.run(meanwhile=sometime)
    seen = bench.judged(ended, Fault.KILL)
    if ended.status or not killed:
        seen.lost.append(f"{len(killed)} workers killed, the grid ends with {ended.status}: {ended.said[-300:]}")
    return seen


def _kill_a_worker(coordinator: int, killed: list[int]) -> None:
    """As soon as there is one; its number is added to `killed`."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(coordinator)
        while process.status() != psutil.STATUS_ZOMBIE:
            for one in process.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if one.cmdline()[:1] and one.cmdline()[0].startswith(WORKER):
                        one.kill()
                        killed.append(one.pid)
                        return
            time.sleep(0.05)


def _coordinator_killed(bench: Bench, draw: Random) -> Seen:
    """What it had begun is to end by itself, and nobody goes on drawing."""
    bench.renew()
    begun = list[psutil.Process]()

    def kill(coordinator: int) -> None:
        with suppress(psutil.NoSuchProcess):
            begun.extend(psutil.Process(coordinator).children(recursive=True))
        os.kill(coordinator, signal.SIGKILL)

    ended = bench.run(meanwhile=Meanwhile(draw.uniform(0, bench.whole.seconds), kill))
    _, alive = psutil.wait_procs(begun, timeout=FAREWELL)
    left = [_ended_by_force(one) for one in alive]  # Ray's own agents take minutes to see it, and draw nothing
    seen = bench.judged(ended, Fault.KILL)
    seen.hangs += [f"goes on without its coordinator: {words}" for words in left if words.startswith(WORKER)]
    return seen


def _ended_by_force(process: psutil.Process) -> str:
    """What it was."""
    with suppress(psutil.NoSuchProcess):
        words = " ".join(process.cmdline())[:120]
        process.kill()
        return words
    return "one that ended in this moment"


def _job_killed(bench: Bench, draw: Random, told: Told) -> Seen:
    return _killed_in_queue(bench, draw, told, lambda started: [started.process.number])


def _runner_killed(bench: Bench, draw: Random, told: Told) -> Seen:
    """The runner first, so that nobody sees how the job ends."""
    return _killed_in_queue(bench, draw, told, lambda started: [started.runner.number, started.process.number])


def _killed_in_queue(bench: Bench, draw: Random, told: Told, victims: Callable[[Started], list[int]]) -> Seen:
    """A job in the studio's queue, killed; to be begun again there, as a person does who reads that it was cut off."""
    bench.renew()
    seen, queue = Seen(), bench.here.with_name("queue")
    job = new_job(told.room, list(told.words), told.words[0], bench.here, "processor")
    with _own_devices(bench.here.with_name("locks")):
        put_in(queue, job)
        if told.sign is None:
            _until(lambda: read_job(queue / job.id).started)
        else:
            _until((bench.here / told.sign).is_file)
        time.sleep(draw.uniform(0, START if told.sign is None else bench.whole.seconds))
        if (started := read_job(queue / job.id).started) is None:
            seen.hangs.append("is not begun")
            return seen
        for number in victims(started):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        if _ended_job(queue, job.id) is None:
            seen.hangs.append("is said to run when it was killed")
        state = state_of(read_job(queue / job.id))
        if state.name not in ("cut off", "done"):
            seen.unnamed.append(f"is said to be {state.name}: {state.words}")
        bench.gone_on(seen, lambda: _begun_again(queue, job.id), exact=True)
    return seen


def _begun_again(queue: Path, job_id: str) -> Ended:
    job, began = again(queue, job_id), time.monotonic()
    files = _ended_job(queue, job.id)
    if files is None or files.ended is None or files.ended.code is None:
        return Ended(-1, read_job(queue / job.id).log.read_text("utf-8"), None)
    return Ended(files.ended.code, files.log.read_text("utf-8"), time.monotonic() - began)


def _ended_job(queue: Path, job_id: str) -> JobFiles | None:
    """The job once it is over; None where it does not come to be."""
    is_over = _until(lambda: not state_of(read_job(queue / job_id)).is_open)
    return read_job(queue / job_id) if is_over else None


def _until(holds: Callable[[], object]) -> bool:
    end = time.monotonic() + HANG
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return False


@contextmanager
def _own_devices(folder: Path) -> Iterator[None]:
    """Locks of devices lie in TMPDIR: a studio that somebody uses meanwhile keeps no job of these waiting."""
    folder.mkdir(exist_ok=True)
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    try:
        yield
    finally:
        tempfile.tempdir = None
        os.environ.pop("TMPDIR")
        os.environ.update({} if before is None else {"TMPDIR": before})


TRIES: dict[str, dict[str, Try]] = {
    "ray": {"SIGKILL of a Ray worker": _worker_killed, "SIGKILL of Ray's coordinator": _coordinator_killed},
    **{
        name: {
            "SIGKILL of a studio's job": partial(_job_killed, told=told),
            "SIGKILL of a job and its runner": partial(_runner_killed, told=told),
        }
        for name, told in ((LIGHT_JOBS, CAPTIONS), ("jobs", GRID))
    },
}
