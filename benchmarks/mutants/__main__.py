"""Do the tests notice a fault? Modules are given small ones, and their tests run: a fault that none sees survives.

    python benchmarks/mutants                          # some faults of every module in targets.toml: minutes
    python benchmarks/mutants --only eval/ranking/scores.py --per-module 0     # all faults of one

Faults are made in a copy of the tree. `targets.toml` says which tests hold which module; `equivalent.toml` lists faults
that change nothing, each with its reason. Faults are drawn by `--seed`, so the same tree gives the same figures. The
last line is one JSON object. Ends with 2, before any fault is made, where the tests fail without one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mutants.table import Found, table_of
from mutants.targets import Target, TargetsError, outdated, read_equivalent, read_targets, sampled
from mutants.trials import Outcome, copied, sound_run, tried
from this_machine.words import machine_in_words

HERE = Path(__file__).resolve().parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-module", type=int, default=10, help="faults a module (10); 0: all")
    parser.add_argument("--seed", type=int, default=0, help="which faults are drawn (0)")
    parser.add_argument("--only", action="append", default=[], metavar="MODULE", help="modules with this in their path")
    parser.add_argument("--jobs", type=int, default=2, help="trials at a time (2)")
    parser.add_argument("--tree", type=Path, default=HERE.parents[1], help="what to copy (this one)")
    parser.add_argument("--targets", type=Path, default=HERE / "targets.toml", help="the table of modules and tests")
    parser.add_argument("--equivalent", type=Path, default=HERE / "equivalent.toml", help="faults that change nothing")
    return parser.parse_args()


def say(line: str) -> None:
    """Progress goes to stderr: the figures stand alone."""
    print(line, file=sys.stderr, flush=True)


def sound_runs(targets: list[Target], copies: list[Path]) -> dict[Target, Outcome]:
    """What each module's tests take without a fault. Ends the program where they fail."""
    known: dict[tuple[str, ...], Outcome] = {}
    for target in targets:
        if target.tests not in known:
            outcome, printed = sound_run(target, copies[0])
            if outcome.status != 0:
                say(f"{printed[-4000:]}\n{target.module}: its tests fail without a fault; mend them first")
                sys.exit(2)
            known[target.tests] = outcome
            say(f"{target.module}: sound in {outcome.wall:.1f} s")
    return {target: known[target.tests] for target in targets}


def main() -> None:
    asked = arguments()
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}  # before a library reads them
    try:
        targets = read_targets(asked.targets, asked.only)
    except TargetsError as error:
        say(str(error))
        sys.exit(2)
    equivalent = read_equivalent(asked.equivalent)
    for old in outdated(equivalent, targets, asked.tree):
        say(f"{asked.equivalent.name} lists a fault that no longer is one; take it out: {old}")
    faults = [
        (target, mutant)
        for target in targets
        for mutant in sampled(target, asked.tree, equivalent, asked.per_module, asked.seed)
    ]
    found: list[Found] = []
    with tempfile.TemporaryDirectory() as folder:
        copies = [copied(asked.tree, Path(folder).resolve() / f"tree {number}") for number in range(asked.jobs)]
        sound = sound_runs(targets, copies)
        for mutant, outcome in tried(faults, sound, copies):
            found.append(Found(mutant, outcome.status))
            if outcome.status == 0:
                say(f"survived: {mutant.module}:{mutant.line}: {mutant.what}")
    lines, figures = table_of(targets, found)
    print("\n".join(lines))
    machine = machine_in_words(f"Python {platform.python_version()}")
    print(json.dumps({**figures, "machine": machine}))


if __name__ == "__main__":
    main()
