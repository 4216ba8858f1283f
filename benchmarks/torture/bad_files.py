"""Broken files through the product's own readers and commands: named errors alone, within 500 MB and 2 s each."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from random import Random

from torture.mutations import mutated
from torture.readers import KINDS, Kind
from torture.table import Kept, Row
from torture.tries import note_modules, warm

AT_ONCE = 25  # in one child, which tells after each
MOST_SECONDS, MOST_MB = 2.0, 500
ENDLESS = 60  # seconds until a child is taken for hanging


def tried_files(kept: Kept, folder: Path, share: float, seed: int, only: list[str], say: Callable[[str], None]) -> None:
    """All kinds of files, in children of this process."""
    kinds = [kind for kind in KINDS if not only or kind.name in only]
    for at, kind in enumerate(kinds):
        if kept.is_over:
            return
        _read_sound(kind, folder / "files" / kind.name)
        with kept.part_of(len(kinds) - at):
            _tried_kind(kind, kept, folder / "files" / kind.name, max(1, round(kind.amount * share)), seed, say)


def _tried_kind(kind: Kind, kept: Kept, folder: Path, count: int, seed: int, say: Callable[[str], None]) -> None:
    fault, began, tried = f"broken {kind.name}", time.monotonic(), 0
    for start in range(0, count, AT_ONCE):
        numbers = [number for number in range(start, min(count, start + AT_ONCE)) if kept.wants(fault, f"{number}")]
        for number, wrong in _in_child(kind, folder, numbers, seed):
            kept.add(Row(fault, f"{number}", wrong))
            tried += 1
            if wrong:
                say(f"{fault}: number {number}: {wrong}")
    say(f"{fault}: {tried} of {count} files, {time.monotonic() - began:.0f} s")


def _read_sound(kind: Kind, folder: Path) -> None:
    """Read none that is broken: what is made and imported for that is no file's time."""
    told = folder.with_name(f"{folder.name}.told")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _child(kind, folder, [], 0, told)


def _child(kind: Kind, folder: Path, numbers: list[int], seed: int, told: Path) -> int:
    """How a process ended that reads those files and tells of each in `told`; what it imported is imported here."""
    told.write_text("")
    child = os.fork()
    if child == 0:
        _as_child(kind, folder, numbers, seed, told)
    _, status = os.waitpid(child, 0)
    if (imported := told.with_suffix(".modules")).is_file():
        warm(imported)
        imported.unlink()
    return os.waitstatus_to_exitcode(status)


def _in_child(kind: Kind, folder: Path, numbers: list[int], seed: int) -> Iterator[tuple[int, dict[str, list[str]]]]:
    """What became of each; where a child ends by itself, what it had in hand is to blame and the rest goes on."""
    told = folder.with_name(f"{folder.name}.told")
    while numbers:
        code = _child(kind, folder, numbers, seed, told)
        found = [json.loads(line) for line in told.read_text("utf-8").split("\n") if line]
        yield from ((number, wrong) for number, wrong in found)
        numbers = numbers[len(found) :]
        if numbers:
            kind_of_end = "hangs" if code == -signal.SIGALRM else "unnamed"
            yield numbers[0], {kind_of_end: [f"the process ended with {code}"]}
            numbers = numbers[1:]


def _as_child(kind: Kind, folder: Path, numbers: list[int], seed: int, told: Path) -> None:
    try:
        if not folder.is_dir():
            folder.mkdir()
            kind.make(folder)
        files = kind.files(folder)
        for read in kind.reads:  # what is imported or loaded once is no file's time or memory
            with suppress(Exception, SystemExit), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                read(files[0])
        sound = {path: path.read_bytes() for path in files}
        note_modules(told.with_suffix(".modules"))
        with told.open("a", encoding="utf-8") as stream:
            for number in numbers:
                draw = Random(f"{seed} {kind.name} {number}")
                path = draw.choice(files)
                path.write_bytes(mutated(sound[path], [one for one in sound.values() if one != sound[path]], draw))
                signal.alarm(ENDLESS)
                wrong = _wrong_with(kind, path)
                signal.alarm(0)
                if wrong:
                    kept = folder.parent / f"{kind.name}-{number}{path.suffix}"
                    kept.write_bytes(path.read_bytes())
                kind.again(folder, path, sound[path])
                stream.write(json.dumps([number, wrong]) + "\n")
                stream.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


def _wrong_with(kind: Kind, path: Path) -> dict[str, list[str]]:
    """What is wrong with how the readers took one file, by kind of wrong."""
    from foundation.errors import UserError

    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wrong: dict[str, list[str]] = {}
    for read in kind.reads:
        try:
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                read(path)
        except (UserError, OSError):
            pass
        except SystemExit as end:
            if end.code not in (0, 1, 2):
                wrong.setdefault("unnamed", []).append(f"exit {end.code}")
        except BaseException as error:
            place = traceback.extract_tb(error.__traceback__)
            own = [f"{Path(one.filename).name}:{one.lineno}" for one in place if "site-packages" not in one.filename]
            wrong.setdefault("unnamed", []).append(
                f"{type(error).__name__}: {error}"[:200] + f" at {', '.join(own[-3:])}"
            )
    seconds = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    if seconds > MOST_SECONDS * len(kind.reads):
        wrong.setdefault("hangs", []).append(f"{seconds:.1f} s of the processor")
    if grown > MOST_MB:
        wrong.setdefault("unnamed", []).append(f"{grown} MB")
    return wrong
