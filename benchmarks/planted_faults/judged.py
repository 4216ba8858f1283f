"""A planted folder, checked: what was found of what was planted, and what else."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from foundation.progress import Silent
from planted_faults import file_faults, picture_faults, set_faults, word_faults
from planted_faults.good_sets import SIDES, GoodSet, Kind
from planted_faults.planting import Expected, Fault, bench_of
from trainer.checking.findings import Finding, Report
from trainer.checking.request import CheckRequest
from trainer.checking.whole.check import checked

FAULTS: tuple[Fault, ...] = (*file_faults.FAULTS, *picture_faults.FAULTS, *set_faults.FAULTS, *word_faults.FAULTS)
# True of every drawn set: its pictures are drawn at the training size, from the front, in the same light, and it has as
# many reg pictures as training pictures, which are shown five times an epoch.
TRUE_OF_DRAWINGS = ("small_sources", "one_angle", "one_light", "reg_repeated")


@dataclass(frozen=True)
class Judged:
    """One folder. `missed`: what was planted and not found; `false`: findings of what was not planted."""

    kind: Kind
    planted: tuple[str, ...]
    expected: int
    missed: tuple[str, ...]
    false: tuple[str, ...]
    found: int
    errors: int
    mends: int


def judged(folder: Path, good: GoodSet, faults: Sequence[Fault], seed: int, cache: Path) -> Judged:
    """Copy a good folder, plant the faults where `seed` says, and check it."""
    shutil.copytree(good.folder, folder)
    kind, good = good.kind, replace(good, folder=folder)
    before = _contents(folder)
    bench = bench_of(good, random.Random(f"planted/{seed}"))
    expected = [one for fault in faults for one in fault.plant(bench)]
    changed = {path for path, digest in _contents(folder).items() if before.get(path) != digest}
    report = checked(CheckRequest(folder, cache=cache), Silent())
    allowed = {rule for fault in faults for rule in fault.brings}
    return _compared(kind, tuple(one.name for one in faults), expected, report, changed, allowed)


def _compared(
    kind: Kind, planted: tuple[str, ...], expected: Expected, report: Report, changed: set[Path], allowed: set[str]
) -> Judged:
    counted = [one for one in report.findings if one.rule not in TRUE_OF_DRAWINGS]
    missed = [f"{rule} of {path and path.name}" for rule, path in expected if not _is_found(rule, path, counted)]
    rules = {name for rule, _ in expected for name in rule.split("|")}
    false = [one for one in counted if not _is_true(one, expected, rules, changed, allowed)]
    return Judged(
        kind,
        planted,
        len(expected),
        tuple(missed),
        tuple(f"{one.rule} of {one.path and one.path.name}: {one.said}" for one in false),
        len(counted),
        len(report.errors),
        len([one for one in counted if one.severity.value == "mend"]),
    )


def _is_found(rule: str, path: Path | None, found: Sequence[Finding]) -> bool:
    own = [one for one in found if one.rule in rule.split("|")]
    return bool(own) if path is None else any(path in (one.path, *one.others) for one in own)


def _is_true(one: Finding, expected: Expected, rules: set[str], changed: set[Path], allowed: set[str]) -> bool:
    """As planted, or what a fault brings with it, of a file that the fault changed."""
    for rule, path in expected:
        if one.rule in rule.split("|") and (path is None or path in (one.path, *one.others)):
            return True
    if one.rule not in allowed:
        return False
    touched = {place for path in changed for place in (path, path.parent)} | {path.with_suffix("") for path in changed}
    return one.path is None or one.path in touched or one.path.with_suffix("") in touched


def _contents(folder: Path) -> dict[Path, str]:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def kinds_of(fault: Fault) -> tuple[Kind, ...]:
    """The kinds of sets that a fault can be planted in."""
    return tuple(kind for kind in SIDES if kind in fault.kinds)
