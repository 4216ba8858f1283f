"""A fault is tried: its module's tests run on a copy of the tree that has it, in a process split off a warm one.

The libraries that a first, sound run has loaded are loaded here once, so that a trial costs its tests and no more. None
of the tree's own modules is ever loaded here: each trial loads them anew from its copy.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mutants.changes import Mutant
from mutants.targets import Target

LEFT_BEHIND = shutil.ignore_patterns(".*", "__pycache__", "runs", "work", "*.egg-info", "*.partial")
# Processor seconds, and seconds on the wall, that a trial may take: so many times what the sound run took, and more.
PROCESSOR, WALL = (3.0, 2.0), (10.0, 60.0)
POLL = 0.01  # seconds
UNUSABLE = 70


@dataclass(frozen=True)
class Outcome:
    """How a run of tests ended: pytest's exit status (None: it took too long), and what it took."""

    status: int | None
    processor: float
    wall: float


@dataclass(frozen=True)
class _Running:
    pid: int
    began: float
    wall: float

    def ended(self) -> Outcome | None:
        """None while it runs. One that takes too long is ended, and all that it started."""
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        wall = time.monotonic() - self.began
        if not pid and wall > self.wall:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            pid, status, usage = os.wait4(self.pid, 0)
        if not pid:
            return None
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        return Outcome(code, usage.ru_utime + usage.ru_stime, wall)


def copied(tree: Path, to: Path) -> Path:
    """A copy of the tree without what was built or made in it."""
    return Path(shutil.copytree(tree, to, ignore=LEFT_BEHIND))


def sound_run(target: Target, copy: Path) -> tuple[Outcome, str]:
    """The module's tests without a fault, and what they printed. The libraries that they load are loaded here too."""
    listed, printed = copy / ".loaded.json", copy / ".printed"
    running = _split(target.tests, copy, printed, None, listed)
    while (outcome := running.ended()) is None:
        time.sleep(POLL)
    if outcome.status == 0:
        _load(json.loads(listed.read_text(encoding="utf-8")))
    return outcome, printed.read_text(encoding="utf-8", errors="replace")


def tried(
    faults: Sequence[tuple[Target, Mutant]], sound: dict[Target, Outcome], copies: Sequence[Path]
) -> Iterator[tuple[Mutant, Outcome]]:
    """Each fault with what became of it, as many at a time as there are copies of the tree."""
    waiting, free = deque(faults), list(copies)
    running: list[tuple[_Running, Mutant, Path, str]] = []
    while waiting or running:
        while waiting and free:
            target, mutant = waiting.popleft()
            copy = free.pop()
            path = copy / target.module
            whole = path.read_text(encoding="utf-8")
            path.write_text(mutant.source(), encoding="utf-8")
            running.append((_split(target.tests, copy, None, sound[target], None), mutant, copy, whole))
        for one in list(running):
            child, mutant, copy, whole = one
            if (outcome := child.ended()) is not None:
                (copy / mutant.module).write_text(whole, encoding="utf-8")
                running.remove(one)
                free.append(copy)
                yield mutant, outcome
        time.sleep(POLL)


def _split(
    tests: Sequence[str], copy: Path, printed: Path | None, sound: Outcome | None, listed: Path | None
) -> _Running:
    """Start the tests in a process of their own."""
    wall = WALL[0] * sound.wall + WALL[1] if sound else float("inf")
    processor = int(PROCESSOR[0] * sound.processor + PROCESSOR[1]) if sound else resource.RLIM_INFINITY
    gc.freeze()
    sys.stdout.flush()
    sys.stderr.flush()
    began = time.monotonic()
    if pid := os.fork():
        return _Running(pid, began, wall)
    status = UNUSABLE
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (processor, resource.RLIM_INFINITY))
        _settle(copy, printed)
        status = _tested(tests, copy, keep_bytecode=listed is not None)
        if listed is not None:
            listed.write_text(json.dumps(_libraries(copy)), encoding="utf-8")
    finally:
        os._exit(status)


def _settle(copy: Path, printed: Path | None) -> None:
    """Make this process one that knows the copy and no other tree."""
    os.setsid()
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy)
    sys.path.insert(0, str(copy))
    out = os.open(printed or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(out, stream)


def _tested(tests: Sequence[str], copy: Path, keep_bytecode: bool) -> int:
    """Pytest's exit status. Bytecode is kept of sound modules alone: a fault has the size and the second of another."""
    import pytest

    sys.dont_write_bytecode = not keep_bytecode
    options = ["-x", "-q", "-p", "no:cacheprovider", f"--rootdir={copy}", f"--basetemp={copy / '.scratch'}"]
    return int(pytest.main([*options, *tests], plugins=[_Hurried()]))


class _Hurried:
    """Examples are drawn the same way each time, and one that fails is not made smaller: it fails."""

    def pytest_collection(self) -> None:
        from hypothesis import HealthCheck, Phase, settings

        settings.register_profile(
            "mutants",
            settings.default,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutants")


def _libraries(copy: Path) -> list[str]:
    """All that this process has loaded but the copy's own."""
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    return [name for name, file in files.items() if file and not Path(file).is_relative_to(copy)]


def _load(names: Sequence[str]) -> None:
    for name in names:
        if name not in sys.modules:
            with suppress(Exception):  # a module that is only a part of another's loading; a trial loads it itself
                importlib.import_module(name)
