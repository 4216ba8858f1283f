"""One try: a command in its own process, a fault at a write point of it or at an instant, then the command again."""

from __future__ import annotations

import ctypes
import importlib
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import groupby
from pathlib import Path
from random import Random

from torture.facts import acknowledged, facts_of, faults_of, half_written
from torture.shim import Fault, arm
from torture.works import CLOCKS, Work

HANG = 180.0  # seconds; an uninterrupted command takes a few
SENTENCE = 6  # lines of an error at most
ANOTHER = "was there and is not now, or is another"
MORE = "more than an uninterrupted run has"
KILLED = (Fault.KILL, Fault.HALF)
CLEAN_ENDS = {Fault.TERM: (143,), Fault.INT: (130,)}


@dataclass(frozen=True)
class Ended:
    """How a command ended: its status (minus a signal's number), what it said on stderr, its seconds; None: it hung."""

    status: int
    said: str
    seconds: float | None


@dataclass(frozen=True)
class Meanwhile:
    """What happens so many seconds after a command was begun; `does` is given its process."""

    seconds: float
    does: Callable[[int], object]


@dataclass
class Seen:
    """What a try found to be wrong, by kind; empty: it was survived."""

    lost: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)

    def as_row(self) -> dict[str, object]:
        return {kind: told[:3] for kind, told in vars(self).items() if told}


@dataclass(frozen=True)
class Whole:
    """An uninterrupted run: what it makes each time, by fact; all names of facts; its write points; its seconds."""

    facts: dict[str, str]
    names: set[str]
    points: list[str]
    seconds: float

    def chosen(self, draw: Random) -> list[int]:
        """The write points to try, from 1: all, but of a row of the same call on the same file three.

        They are the first, the last, and one between.
        """
        found, start = list[int](), 0
        for _, row in groupby(self.points):
            length = len(list(row))
            places = {start, start + length - 1, start + draw.randrange(length)}
            found += sorted(place + 1 for place in places)
            start += length
        return found


class Bench:
    """A folder in which one work is done again and again, each time from the same beginning."""

    def __init__(self, work: Work, folder: Path, library: ctypes.CDLL) -> None:
        self.work, self._library = work, library
        self.here, self.out = folder / "here", folder / "out"
        # Works that begin alike share what they begin with: making it takes longer than most of them.
        self._start = folder.with_name(f"{work.make.__name__.strip('_')}")
        folder.mkdir(parents=True, exist_ok=True)
        if not self._start.is_dir():
            shutil.rmtree(self.here, ignore_errors=True)
            self.here.mkdir()
            if (made := self._forked(lambda: work.make(self.here))).status:
                raise SystemExit(f"{work.name}: its folder could not be made\n{made.said}")
            self.here.rename(self._start)
            warm(self.out.with_name("modules"))

    def renew(self) -> None:
        """The folder as it was at the beginning."""
        shutil.rmtree(self.here, ignore_errors=True)
        shutil.copytree(self._start, self.here)

    def run(self, at: int = 0, fault: Fault = Fault.COUNT, meanwhile: Meanwhile | None = None) -> Ended:
        """The work, from where the folder is; `at`: the write point of the fault."""

        def body() -> None:
            arm(self._library, self.here, at, fault, self.out.with_name("points"))
            self.work.run(self.here)

        self.out.with_name("points").unlink(missing_ok=True)
        return self._forked(body, meanwhile)

    def _forked(self, body: object, meanwhile: Meanwhile | None = None) -> Ended:
        child = begun(body, self.out)
        began, status = time.monotonic(), 0
        until = began + HANG
        while True:
            found, status = os.waitpid(child, os.WNOHANG)
            now = time.monotonic()
            if found:
                break
            if now > until:
                os.kill(child, signal.SIGKILL)
            if meanwhile is not None and now - began > meanwhile.seconds:
                meanwhile.does(child)
                meanwhile = None
            time.sleep(0.002)
        said = self.out.with_suffix(".err").read_text("utf-8", "replace")
        seconds = None if time.monotonic() > until else time.monotonic() - began
        return Ended(os.waitstatus_to_exitcode(status), said, seconds)

    @cached_property
    def whole(self) -> Whole:
        """Two uninterrupted runs; what differs between them is a clock's, and is compared with nothing."""
        made: list[dict[str, str]] = []
        ended, points = Ended(0, "", 0.0), list[str]()
        for _ in range(2):
            self.renew()
            ended = self.run()
            if ended.status:
                raise SystemExit(f"{self.work.name}: fails without any fault ({ended.status})\n{ended.said[-3000:]}")
            if wrong := faults_of(self.here):
                raise SystemExit(f"{self.work.name}: {wrong}")
            points = self.out.with_name("points").read_text("utf-8", "replace").splitlines()
            made.append(facts_of(self.here))
            warm(self.out.with_name("modules"))
        same = {name: value for name, value in made[0].items() if made[1].get(name) == value and not _is_clock(name)}
        return Whole(same, {*made[0], *made[1]}, points, ended.seconds or 0.0)

    def try_point(self, at: int, fault: Fault) -> Seen:
        """The fault at that write point, then the work again on a sound disk."""
        self.renew()
        return self.judged(self.run(at, fault), fault)

    def try_instant(self, seconds: float) -> Seen:
        """SIGKILL after so many seconds, then the work again."""
        self.renew()
        killed = Meanwhile(seconds, lambda child: os.kill(child, signal.SIGKILL))
        return self.judged(self.run(meanwhile=killed), Fault.KILL)

    def judged(self, ended: Ended, fault: Fault) -> Seen:
        """What is wrong with how a command ended, with what it left, and with what comes of running it again."""
        seen = Seen()
        if ended.seconds is None:
            seen.hangs.append("after the fault")
        seen.unnamed += unnamed(ended, fault)
        seen.corrupt += faults_of(self.here)
        if self.work.once and not ended.status:
            seen.corrupt += [f"left behind: {name}" for name in half_written(self.here)]
            return seen
        self.gone_on(seen, self.run, exact=fault in KILLED or fault in CLEAN_ENDS)
        return seen

    def gone_on(self, seen: Seen, run: Callable[[], Ended], exact: bool) -> None:
        """Note what is wrong with what comes of going on by `run`. `exact`: vectors are to be the same to the bit."""
        kept = acknowledged(self.here)
        again = run()
        if again.seconds is None:
            seen.hangs.append("run again")
        if again.status:
            seen.lost.append(f"run again it ends with {again.status}: {again.said[-300:]}")
            return
        seen.corrupt += faults_of(self.here)
        seen.corrupt += [f"left behind: {name}" for name in half_written(self.here)]
        now = acknowledged(self.here)
        for name, (content, changed) in kept.items():
            if now.get(name, ("", 0))[0] != content or name not in now:
                seen.lost.append(f"{name} {ANOTHER}")
            elif now[name][1] != changed:
                seen.duplicates.append(f"{name} was made again")
        facts = facts_of(self.here)
        compared = (name for name in self.whole.facts if exact or not _is_of_a_batch(name))
        different = [name for name in compared if facts.get(name) != self.whole.facts[name]]
        more = [name for name in facts if name not in self.whole.names and not _is_clock(name)]
        seen.lost += [f"differs from an uninterrupted run: {name}" for name in different]
        seen.duplicates += [f"{MORE}: {name}" for name in more]


@cache
def bench_of(work: Work, folder: Path, library: ctypes.CDLL) -> Bench:
    """The bench of a work, one for all parts: what an uninterrupted run makes is found out once."""
    return Bench(work, folder / work.name, library)


def unnamed(ended: Ended, fault: Fault) -> list[str]:
    """What is wrong with how a command took a fault: a traceback, no word, or another exit status than is promised."""
    if fault in KILLED:
        return [] if ended.status in (-signal.SIGKILL, 0) else [f"exit status {ended.status}: {ended.said[-200:]}"]
    told, wrong = ended.said.strip(), list[str]()
    if "Traceback" in told:
        wrong.append(f"a traceback: {told[-300:]}")
    if ended.status and ended.status not in CLEAN_ENDS.get(fault, (1, 2)):
        wrong.append(f"exit status {ended.status}: {told[-300:]}")
    if ended.status and not told:
        wrong.append(f"ends with {ended.status} and no word")
    if ended.status == 2:
        error = told[told.rfind("error: ") :]
        if not error.startswith("error: ") or error.count("\n") > SENTENCE or ".partial" in error:
            wrong.append(f"no sentence: {told[-300:]}")
    return wrong


def _is_of_a_batch(name: str) -> bool:
    """A vector's last digits hang on which pictures were read together; one that a disk refused is read by itself."""
    return (" embedding " in name and name.endswith((" vector", " checksum"))) or " fact imported" in name


def _is_clock(name: str) -> bool:
    return any(word in name for word in CLOCKS)


def begun(body: object, out: Path) -> int:
    """The process that does it, as a command: what it says lies beside `out`, at its end `modules` too."""
    child = os.fork()
    if child == 0:
        _as_command(body, out)
    return child


def _as_command(body: object, out: Path) -> None:
    """What the child does: streams to files, the work, and out without any of this program's own endings."""
    status = 70
    try:
        for number, end in ((1, ".out"), (2, ".err")):
            handle = os.open(out.with_suffix(end), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(handle, number)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        assert callable(body)
        body()
        status = 0
        note_modules(out.with_name("modules"))
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        note_modules(out.with_name("modules"))
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                status = status or 74
        os._exit(status)


def note_modules(path: Path) -> None:
    """What this process has imported, for its parent to import once for all that come."""
    path.write_text("\n".join(sorted(sys.modules)), "utf-8")


def warm(listed: Path) -> None:
    """Import here what a command imported, so that its next children need not: that is most of what they take."""
    for name in listed.read_text("utf-8").split("\n"):
        if name not in sys.modules and not name.startswith(("__", "torture")):
            with suppress(Exception):
                importlib.import_module(name)
