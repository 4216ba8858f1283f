"""A report in sentences: the summary, findings by rule, paths as one would look for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from foundation.wording.said import say, say_many
from trainer.checking.findings import Finding, Report, Severity

VERDICTS = {"ready": say("ready: {why}"), "mend": say("mend these first: {why}"), "fail": say("will fail: {why}")}
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
    errors, mends, notes = (len(by_rule(report.of(severity))) for severity in Severity)
    if report.verdict == "fail":
        why = say_many("{count} thing that training stops at or cannot learn by",
                       "{count} things that training stops at or cannot learn by", errors)  # fmt: skip
        if mends:
            why = say("{before}, and {after}", before=why, after=say_many("{count} thing to mend",
                                                                          "{count} things to mend", mends))  # fmt: skip
    elif report.verdict == "mend":
        why = say_many("training would run, but {count} thing would cost likeness",
                       "training would run, but {count} things would cost likeness", mends)  # fmt: skip
    else:
        why = say_many("nothing is wrong with {count} training picture",
                       "nothing is wrong with {count} training pictures", train)  # fmt: skip
    if notes:
        more = say_many("{count} thing worth knowing", "{count} things worth knowing", notes)
        why = say("{before}; {after}", before=why, after=more)
    return VERDICTS[report.verdict].with_values(why=why)


def shown_path(path: Path, dataset: Path) -> str:
    """From the dataset, where it lies there."""
    whole = path.absolute()
    folder = dataset.expanduser().absolute()
    folder = folder if folder.is_dir() else folder.parent
    return str(whole.relative_to(folder)) if whole.is_relative_to(folder) and whole != folder else str(path)


def shortened(text: str, most: int) -> str:
    """A stranger's text in a line that can be read: at most so many characters."""
    return text if len(text) <= most else text[: most - 3] + "..."
