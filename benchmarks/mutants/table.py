"""What became of the faults, as a table for people and figures for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mutants.changes import Mutant
from mutants.targets import Target


@dataclass(frozen=True)
class Found:
    """A fault, and pytest's exit status with it; None: it took too long, which is noticed too."""

    mutant: Mutant
    status: int | None

    @property
    def survived(self) -> bool:
        return self.status == 0


def table_of(targets: Sequence[Target], found: Sequence[Found]) -> tuple[list[str], dict[str, object]]:
    """Lines to print: a row a module, then every survivor; and the figures."""
    lines = [f"{'module':40} {'mutants':>8} {'killed':>7} {'survived':>9} {'timed out':>10}"]
    by_module: dict[str, dict[str, int]] = {}
    for target in targets:
        own = [one for one in found if one.mutant.module == target.module]
        counts = _counted(own)
        by_module[target.module] = counts
        lines.append(
            f"{target.module:40} {counts['mutants']:8} {counts['killed']:7} {counts['survived']:9} "
            f"{counts['timed_out']:10}"
        )
    survivors = sorted((one.mutant for one in found if one.survived), key=lambda one: (one.module, one.line))
    lines += [f"{one.module}:{one.line}: {one.text}\n    {one.what}" for one in survivors]
    whole = {"mutants": len(found), "survived": len(survivors), "share": round(len(survivors) / max(1, len(found)), 4)}
    return lines, {**whole, "by_module": by_module}


def _counted(found: Sequence[Found]) -> dict[str, int]:
    """`killed` counts those that took too long as well."""
    survived = sum(one.survived for one in found)
    timed_out = sum(one.status is None for one in found)
    return {
        "mutants": len(found),
        "killed": len(found) - survived,
        "survived": survived,
        "timed_out": timed_out,
    }
