"""The process that fuzzes one target: coverage guides what comes next; what is wrong is kept, and it goes on.

python benchmarks/fuzzing/one_target.py NAME FOLDER SECONDS SEED
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout, suppress
from hashlib import sha256
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
sys.path[:0] = [
    str(one) for one in (ROOT, ROOT / "benchmarks", FIXTURES, *(FIXTURES / name for name in ("foreign", "lora_files")))
]

from fuzzing.targets import TARGETS, Target  # noqa: E402

# Whose branches guide: our own packages, and readers that are Python.
GUIDES = ["foundation", "base_models", "loras", "trainer", "eval", "PIL"]
MOST_SECONDS, MOST_MB = 2.0, 500
ENDLESS = 60  # seconds until the fuzzer ends an input for hanging
LONGEST = 65_536  # bytes of an input


class Fuzzed:
    """Reads inputs as a file of the target. `findings` is a folder: an input and its story for each kind of wrong."""

    def __init__(self, target: Target, folder: Path) -> None:
        self._target, self._path = target, folder / "work" / target.place
        self._findings = folder / "findings"
        self._findings.mkdir(exist_ok=True)

    def read(self, data: bytes) -> None:
        """One input; raises nothing. What is slow or large is read again: the first may have been what came before."""
        for _ in range(2):
            story = self._read_once(data)
            if story is None:
                return
        self._keep(story, data)

    def warm(self, data: bytes) -> None:
        """A sound input: what is imported once is imported under the fuzzer's eyes, and is no input's time."""
        self._path.write_bytes(self._target.whole(data))
        with suppress(Exception, SystemExit), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            self._target.read(self._path)

    def _read_once(self, data: bytes) -> str | None:
        """What is wrong with how it was read."""
        from foundation.errors import UserError

        self._path.write_bytes(self._target.whole(data))
        _forget_peak()
        began, before = time.process_time(), _memory("VmRSS")
        try:
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                self._target.read(self._path)
        except (UserError, OSError):
            pass
        except BaseException as error:
            return _story(error)
        seconds, grown = time.process_time() - began, _memory("VmHWM") - before
        if seconds > MOST_SECONDS:
            return f"slow: {seconds:.1f} s of the processor"
        return f"large: {grown:.0f} MB" if grown > MOST_MB else None

    def _keep(self, story: str, data: bytes) -> None:
        """The shortest input of each story."""
        key = sha256(story.partition(":")[0].encode() + story.rpartition(" at ")[2].encode()).hexdigest()[:12]
        told, kept = self._findings / f"{key}.json", self._findings / f"{key}.input"
        known = json.loads(told.read_text("utf-8")) if told.is_file() else {"story": story, "seen": 0}
        if not kept.is_file() or len(data) < kept.stat().st_size:
            kept.write_bytes(data)
            known["story"] = story
        told.write_text(json.dumps({**known, "seen": known["seen"] + 1}), "utf-8")


def _story(error: BaseException) -> str:
    """The kind of error, what it says, and where in our own code it came through last."""
    places = traceback.extract_tb(error.__traceback__)
    own = [one for one in places if Path(one.filename).is_relative_to(ROOT) and "site-packages" not in one.filename]
    named = ", ".join(f"{Path(one.filename).relative_to(ROOT)}:{one.lineno}" for one in own[-2:])
    return f"{type(error).__name__}: {error}"[:300] + f" at {named}"


def _memory(of: str) -> float:
    """MB of this process: what it has now (`VmRSS`), or had at most since `_forget_peak` (`VmHWM`)."""
    told = Path("/proc/self/status").read_text("utf-8")
    return int(told.partition(f"{of}:")[2].split()[0]) / 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", "utf-8")


def main() -> None:
    name, place, seconds, seed = sys.argv[1:]
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        raise SystemExit("fuzzing: needs atheris (Linux, Python 3.11 to 3.13): pip install atheris") from None
    folder, target = Path(place), next(one for one in TARGETS if one.name == name)
    for part in ("corpus", "seeds", "work"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    with atheris.instrument_imports(include=GUIDES):
        fuzzed = Fuzzed(target, folder)
        for number, sample in enumerate(target.seeds(folder / "work")):
            (folder / "seeds" / f"{number}").write_bytes(sample)
            fuzzed.warm(sample)
    words = [f"-max_total_time={seconds}", f"-timeout={ENDLESS}", f"-max_len={LONGEST}", f"-seed={seed}"]
    # The fuzzer's own clock is the wall's, which other work on the machine slows: ours tells what is slow.
    words += ["-rss_limit_mb=0", "-print_final_stats=1", f"-report_slow_units={ENDLESS}"]
    words += [f"-artifact_prefix={folder / 'findings'}/"]
    atheris.Setup([sys.argv[0], str(folder / "corpus"), str(folder / "seeds"), *words], fuzzed.read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
