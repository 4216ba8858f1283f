"""Which modules are given faults, which tests hold each of them, and which faults change nothing."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mutants.changes import Mutant, mutants_of


class TargetsError(Exception):
    """A table of targets, or a choice among them, that cannot be used."""


@dataclass(frozen=True)
class Target:
    """A module by its path in the tree, and what pytest is to run of it."""

    module: str
    tests: tuple[str, ...]


def read_targets(path: Path, only: Sequence[str]) -> list[Target]:
    """The table's modules, those that `only` names a part of where it names any. Raises TargetsError."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))["modules"]
    found = [Target(module, tuple(tests)) for module, tests in table.items()]
    chosen = [one for one in found if not only or any(part in one.module for part in only)]
    if not chosen:
        raise TargetsError(f"{path}: no module there is called {' or '.join(only)}; it names {', '.join(table)}")
    return chosen


def read_equivalent(path: Path) -> dict[tuple[str, str, str], str]:
    """Faults that change nothing, by `Mutant.key`, to the reason why. None where there is no such file."""
    if not path.is_file():
        return {}
    rows = tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", [])
    return {(row["module"], row["line"], row["change"]): row["reason"] for row in rows}


def sampled(
    target: Target, tree: Path, equivalent: dict[tuple[str, str, str], str], most: int, seed: int
) -> list[Mutant]:
    """At most so many of a module's faults, drawn by `seed`, in the order of lines; 0: all of them."""
    source = (tree / target.module).read_text(encoding="utf-8")
    found = [one for one in mutants_of(target.module, source) if one.key not in equivalent]
    if not most or len(found) <= most:
        return found
    drawn = random.Random(f"{seed} {target.module}").sample(range(len(found)), most)
    return [found[at] for at in sorted(drawn)]


def outdated(equivalent: dict[tuple[str, str, str], str], targets: Sequence[Target], tree: Path) -> list[str]:
    """What is listed as changing nothing, and is no fault of these modules any more."""
    sources = {one.module: (tree / one.module).read_text(encoding="utf-8") for one in targets}
    known = {one.key for module, source in sources.items() for one in mutants_of(module, source)}
    return [f"{key[0]}: {key[1]}: {key[2]}" for key in equivalent if key[0] in sources and key not in known]
