"""`trainer check` on folders whose faults are known: what is found of them, what is found beside them; and its speed.

(a) 20 good folders of drawn people and things draw no error. (b) Every fault of `benchmarks/planted_faults` alone, on
each kind of set it can be planted in; then several at once, until there are `--folders`. (c) 1,000 pictures of
2000 x 2000: seconds and peak memory of a first run, seconds of a second. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from planted_faults.good_sets import SIDES, GoodSet, Kind, write_good_set
from planted_faults.judged import FAULTS, Judged, judged, kinds_of
from this_machine.words import machine_in_words

GOOD, TOGETHER = 20, (2, 4)
SUBJECTS = 8  # of each kind, in which faults are planted
PICTURES, SIDE = 1000, 2000
ROOT = Path(__file__).resolve().parents[1]
Plan = tuple[Kind, tuple[str, ...]]


def asked() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folders", type=int, default=320, help="planted folders in all (320)")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="large pictures (1000); 0: no speed is measured")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once (2)")
    parser.add_argument("--only", help="faults whose name has this alone")
    parser.add_argument("--say", action="store_true", help="every folder with a fault missed or a false finding")
    return parser.parse_args()


def plans(folders: int, only: str | None) -> Iterator[Plan]:
    """Each fault alone, then several at once."""
    chosen = [one for one in FAULTS if only is None or only in one.name]
    single: list[Plan] = [(kind, (fault.name,)) for fault in chosen for kind in kinds_of(fault)]
    yield from single
    rng = random.Random("several at once")
    kinds = list(SIDES)
    for number in range(folders - len(single)):
        kind = kinds[number % len(kinds)]
        fitting = [one.name for one in chosen if kind in one.kinds and not one.alone]
        yield kind, tuple(rng.sample(fitting, min(len(fitting), rng.randint(*TOGETHER))))


def drawn(folder: Path) -> dict[Kind, list[GoodSet]]:
    """Good folders of all kinds, each of another subject."""
    return {
        kind: [write_good_set(folder / f"{kind} {number}", kind, number) for number in range(SUBJECTS)]
        for kind in SIDES
    }


def planted(
    folder: Path, sets: dict[Kind, list[GoodSet]], chosen: Sequence[Plan], jobs: int, say: bool
) -> list[Judged]:
    """Every planted folder, judged, several at once."""
    found: list[Judged] = []
    with ProcessPoolExecutor(jobs) as pool:
        asked = [
            pool.submit(_judged, folder / f"{number:04}", sets[kind][number % SUBJECTS], faults, number)
            for number, (kind, faults) in enumerate(chosen)
        ]
        for number, future in enumerate(asked):
            one = future.result()
            found.append(one)
            if say and (one.missed or one.false):
                print(f"{number} {one.kind} {one.planted}: missed {one.missed}; false {one.false}", flush=True)
            elif say and number % 20 == 0:
                print(f"{number} so far", flush=True)
    return found


def _judged(place: Path, good: GoodSet, faults: tuple[str, ...], number: int) -> Judged:
    """One folder, in a process that keeps what it measured to itself."""
    own = [one for name in faults for one in FAULTS if one.name == name]
    found = judged(place, good, own, number, place.parent / f"kept {os.getpid()}")
    shutil.rmtree(place)
    return found


def write_large(folder: Path, count: int) -> Path:
    """Pictures of noise and shapes, JPEGs and PNGs, each another."""
    place = folder / "large" / "Train" / "1_ohwx person"
    place.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        grain = Image.fromarray(rng.integers(96, 160, (SIDE // 4, SIDE // 4, 3), dtype=np.uint8)).resize((SIDE, SIDE))
        Image.blend(picture, grain, 0.3).save(place / f"{number:04}.jpg", quality=92)
        (place / f"{number:04}.txt").write_text(f"photo of ohwx person, smiling, looking at viewer, wall {number}")
    return folder / "large"


def timed(dataset: Path, cache: Path) -> tuple[float, float]:
    """Seconds and peak MiB of one check in a process of its own."""
    command = [sys.executable, "-m", "trainer", "check", str(dataset), "--faces", "miniature", "--cache", str(cache)]
    script = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "assert done.returncode in (0, 1), done.returncode\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)\n"
    )
    begun = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, *command, "--json"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return time.monotonic() - begun, float(done.stdout.splitlines()[-1])


def main() -> None:
    request = asked()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sets = drawn(folder / "drawn")
        without = [(kind, ()) for kind in SIDES for _ in range(SUBJECTS)][:: len(SIDES) * SUBJECTS // GOOD]
        fine = planted(folder / "good", sets, without[:GOOD], request.jobs, request.say)
        chosen = list(plans(request.folders, request.only))
        judgements = planted(folder / "planted", sets, chosen, request.jobs, request.say)
        seconds, again, peak = 0.0, 0.0, 0.0
        if request.pictures:
            dataset = write_large(folder, request.pictures)
            seconds, peak = timed(dataset, folder / "kept")
            again, _ = timed(dataset, folder / "kept")
    expected = sum(one.expected for one in judgements)
    missed = sum(len(one.missed) for one in judgements)
    found = sum(one.found for one in judgements)
    false = sum(len(one.false) for one in judgements)
    rules = Counter(said.partition(" of ")[0] for one in judgements for said in one.false)
    print(
        json.dumps(
            {
                "folders": len(judgements),
                "recall": 1 - missed / max(1, expected),
                "precision": 1 - false / max(1, found),
                "seconds_1000": seconds,
                "seconds_again": again,
                "peak_mib": peak,
                "planted": expected,
                "found": found,
                "false_by_rule": dict(rules),
                "good_folders": len(fine),
                "good_errors": sum(one.errors for one in fine),
                "good_mends": sum(one.mends for one in fine),
                "pictures": request.pictures,
                "machine": machine_in_words(),
            }
        )
    )


if __name__ == "__main__":
    main()
