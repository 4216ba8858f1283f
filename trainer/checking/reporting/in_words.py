"""A report in sentences: the summary, findings by rule, paths as one would look for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from trainer.checking.findings import IN_WORDS, Finding, Report, Severity

HEADINGS = {
    Severity.ERROR: "Will fail",
    Severity.MEND: "Mend first",
    Severity.NOTE: "Worth knowing",
}


@dataclass(frozen=True)
class RuleFindings:
    """What one rule found."""

    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        """The one that speaks for them."""
        return self.findings[0]


def by_rule(findings: Sequence[Finding]) -> list[RuleFindings]:
    """Findings in the order of the report, those of a rule together."""
    return [RuleFindings(tuple(own)) for _, own in groupby(findings, key=lambda one: (one.severity, one.rule))]


def summary(report: Report) -> str:
    """The verdict and why, in a sentence or two."""
    train = sum(one.role == "train" for one in report.pictures)
    counts = [(len(by_rule(report.of(severity))), severity) for severity in Severity]
    errors, mends, notes = (count for count, _ in counts)
    verdict = IN_WORDS[report.verdict]
    if report.verdict == "fail":
        why = f"{_things(errors)} that training stops at or cannot learn by"
        why += f", and {_things(mends)} to mend" if mends else ""
    elif report.verdict == "mend":
        why = f"training would run, but {_things(mends)} would cost likeness"
    else:
        why = f"nothing is wrong with {train} training picture" + "s" * (train != 1)
    more = f"; {_things(notes)} worth knowing" if notes else ""
    return f"{verdict}: {why}{more}"


def shown_path(path: Path, dataset: Path) -> str:
    """From the dataset, where it lies there."""
    whole = path.absolute()
    folder = dataset.expanduser().absolute()
    folder = folder if folder.is_dir() else folder.parent
    return str(whole.relative_to(folder)) if whole.is_relative_to(folder) and whole != folder else str(path)


def shortened(text: str, most: int) -> str:
    """A stranger's text in a line that can be read: at most so many characters."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _things(count: int) -> str:
    return "1 thing" if count == 1 else f"{count} things"
