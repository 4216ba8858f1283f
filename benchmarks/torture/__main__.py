"""Nothing lost under faults, load and bad files? Every work of the product is broken on purpose, and counted.

    make torture                                     # all of it: hours; stopped and begun again it goes on
    python benchmarks/torture --share 0.1 --minutes 1.5 --two --anew   # of a tenth, as CI runs it
    python benchmarks/torture --only grid --part kills --seed 7

A table is printed: fault, tries, survived, lost. The last line is one JSON object; ends with 1 where anything was lost.
Needs Linux and a C compiler: write points are found and broken by a library that is loaded before all others.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
sys.path[:0] = [
    str(one) for one in (ROOT, ROOT / "benchmarks", FIXTURES, *(FIXTURES / name for name in ("foreign", "lora_files")))
]

from this_machine.words import machine_in_words  # noqa: E402
from torture.bad_files import tried_files  # noqa: E402
from torture.disks import tried_disks  # noqa: E402
from torture.faults import tried_works  # noqa: E402
from torture.lanes import PARTS, TOGETHER, TRIES, tried_in_lanes  # noqa: E402
from torture.long_run.tried import LONG_RUN, tried_long  # noqa: E402
from torture.processes import tried_processes  # noqa: E402
from torture.shim import loaded_by_restart  # noqa: E402
from torture.table import Kept, Row, figures_of, table_of  # noqa: E402
from torture.together import tried_together  # noqa: E402


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="how much of it, of 1 (1)")
    parser.add_argument("--seed", type=int, default=0, help="which points, instants and mutations are drawn (0)")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this, repeatable")
    parser.add_argument(
        "--only", action="append", default=[], help="only this work (train, grid, ..), kind of files, or `together`"
    )
    parser.add_argument(
        "--minutes", type=float, help="begin nothing after so many of processor time; counted is what that leaves out"
    )
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two kills of the long run (60)")
    parser.add_argument("--two", action="store_true", help="two processes at once: on two cores twice as much")
    parser.add_argument(
        "--kept", type=Path, default=ROOT / "runs" / "benchmarks" / "torture", help="what was found so far"
    )
    parser.add_argument("--anew", action="store_true", help="forget what was found so far")
    return parser.parse_args()


def say(line: str) -> None:
    """Progress goes to stderr: the figures stand alone."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def drawn_as(chosen: argparse.Namespace) -> str:
    return f"{chosen.seed}-{chosen.share:g}"


def tried_here(chosen: argparse.Namespace) -> tuple[list[Row], int]:
    """All that was found in this process and before it, and how many tries there was no time for."""
    folder = chosen.kept.resolve() / drawn_as(chosen)
    library = loaded_by_restart(chosen.kept.resolve())
    if chosen.anew:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    kept = Kept(folder / TRIES, None if chosen.minutes is None else chosen.minutes * 60)
    say(f"seed {chosen.seed}, share {chosen.share:g}; kept in {folder}; {len(kept.rows)} tries were made before")
    parts = chosen.part or PARTS
    tortures: dict[str, Callable[[], None]] = {
        "files": lambda: tried_files(kept, folder, chosen.share, chosen.seed, chosen.only, say),
        LONG_RUN: lambda: tried_long(kept, folder, chosen.share, chosen.seed, chosen.only, chosen.every, say),
        TOGETHER: lambda: tried_together(kept, folder, chosen.share, chosen.only, say),
        "disks": lambda: tried_disks(library, kept, folder, chosen.share, chosen.seed, chosen.only, say),
        "processes": lambda: tried_processes(library, kept, folder, chosen.share, chosen.seed, chosen.only, say),
        "kills": lambda: tried_works(library, kept, folder, chosen.share, chosen.seed, chosen.only, say),
    }
    for at, part in enumerate(parts):
        with kept.part_of(len(parts) - at):
            tortures[part]()
    return kept.rows, kept.left_out


def tried_twice_at_once(chosen: argparse.Namespace) -> tuple[list[Row], int]:
    """As `tried_here`, in lanes."""
    words = ["--share", str(chosen.share), "--seed", str(chosen.seed)]
    words += [] if chosen.minutes is None else ["--minutes", str(chosen.minutes)]
    words += ["--every", str(chosen.every), *["--anew"] * chosen.anew]
    parts = list(chosen.part or PARTS)
    return tried_in_lanes(chosen.kept.resolve(), drawn_as(chosen), parts, chosen.only, words, say)


def main() -> int:
    chosen = arguments()
    rows, left_out = tried_twice_at_once(chosen) if chosen.two else tried_here(chosen)
    figures = figures_of(rows)
    print("\n".join(table_of(rows)))
    if left_out:
        print(f"{left_out} tries more were not begun for want of time")
    print(
        json.dumps({**figures, "left_out": left_out, "seed": chosen.seed, "share": chosen.share, "machine": machine()})
    )
    return int(not rows or any(figures[kind] for kind in figures if kind != "tries"))


def machine() -> str:
    return machine_in_words(f"Linux {platform.release()}")


if __name__ == "__main__":
    sys.exit(main())
