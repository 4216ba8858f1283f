"""Nothing lost under faults, load and bad files? Every work of the product is broken on purpose, and counted.

    make torture                                     # all of it: hours; stopped and begun again it goes on
    python benchmarks/torture --share 0.1            # a tenth, as CI runs it
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
from torture.shim import loaded_by_restart  # noqa: E402
from torture.table import Kept, figures_of, table_of  # noqa: E402
from torture.together import tried_together  # noqa: E402

PARTS = ("files", "together", "disks", "kills")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="how much of it, of 1 (1)")
    parser.add_argument("--seed", type=int, default=0, help="which points, instants and mutations are drawn (0)")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this, repeatable")
    parser.add_argument("--only", action="append", default=[], help="only this work (train, grid, ..), repeatable")
    parser.add_argument("--minutes", type=float, help="begin nothing after so many; what is left out is counted")
    parser.add_argument(
        "--kept", type=Path, default=ROOT / "runs" / "benchmarks" / "torture", help="what was found so far"
    )
    parser.add_argument("--anew", action="store_true", help="forget what was found so far")
    return parser.parse_args()


def say(line: str) -> None:
    """Progress goes to stderr: the figures stand alone."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def main() -> int:
    chosen = arguments()
    folder = chosen.kept.resolve() / f"{chosen.seed}-{chosen.share:g}"
    library = loaded_by_restart(chosen.kept.resolve())
    if chosen.anew:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    kept = Kept(folder / "tries.jsonl", None if chosen.minutes is None else chosen.minutes * 60)
    say(f"seed {chosen.seed}, share {chosen.share:g}; kept in {folder}; {len(kept.rows)} tries were made before")
    parts = chosen.part or PARTS
    tortures: dict[str, Callable[[], None]] = {
        "files": lambda: tried_files(kept, folder, chosen.share, chosen.seed, chosen.only, say),
        "together": lambda: None if chosen.only else tried_together(kept, folder, chosen.share, say),
        "disks": lambda: tried_disks(library, kept, folder, chosen.share, chosen.seed, chosen.only, say),
        "kills": lambda: tried_works(library, kept, folder, chosen.share, chosen.seed, chosen.only, say),
    }
    for at, part in enumerate(parts):
        with kept.part_of(len(parts) - at):
            tortures[part]()
    print("\n".join(table_of(kept.rows)))
    figures = figures_of(kept.rows)
    if kept.left_out:
        print(f"{kept.left_out} tries more were not begun for want of time")
    print(
        json.dumps(
            {**figures, "left_out": kept.left_out, "seed": chosen.seed, "share": chosen.share, "machine": machine()}
        )
    )
    return int(any(figures[kind] for kind in figures if kind != "tries"))


def machine() -> str:
    return machine_in_words(f"Linux {platform.release()}")


if __name__ == "__main__":
    sys.exit(main())
