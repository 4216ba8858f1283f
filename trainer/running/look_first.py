"""What `trainer run` says before it trains: the plan, and what a check of the data calls an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from base_models.base_source import find_base
from foundation.errors import DatasetError, UserError
from foundation.progress import Reporter
from trainer.checking.findings import Report
from trainer.checking.reporting.in_words import by_rule, shown_path, summary
from trainer.checking.request import CheckRequest
from trainer.config.config import TrainConfig
from trainer.planning.plan_in_words import run_in_words
from trainer.planning.run_plan import plan_run
from trainer.records.record import existing_work

NAMED = 3


class WillFailError(DatasetError):
    """Data that a check says training will fail on."""


def look_first(path: Path, config: TrainConfig, reporter: Reporter) -> Report | None:
    """Check the data that the configuration in `path` names, and say its errors. None for a run that is under way.

    Raises what a check raises; the data's own faults are in the report.
    """
    if existing_work(config):
        return None
    with reporter.waiting("starting the check of the pictures"):
        from trainer.checking.whole.check import checked  # numpy and what reads pictures

    report = checked(CheckRequest(path), reporter)
    reporter.say(f"check: {summary(report)}")
    for line in _errors(report):
        reporter.say(line)
    return report


def require_ready(report: Report | None, config: TrainConfig, path: Path, reporter: Reporter) -> None:
    """Raise WillFailError where the report says so; the plan is said before, as far as there can be one."""
    if report is None or report.verdict != "fail":
        return
    try:
        for line in run_in_words(plan_run(config), find_base(config.model.base, config.model.overrides), None):
            reporter.say(line)
    except UserError:  # what stands in the way of a plan is among the errors
        pass
    count = len(by_rule(report.errors))
    raise WillFailError(
        f"{path}: the check says that this will fail ({count} {'thing' if count == 1 else 'things'}, above); mend "
        f"that (`trainer check {path}` has all of it, `trainer prepare` mends on a copy), or go on with --force"
    )


def _errors(report: Report) -> Iterator[str]:
    for rule in by_rule(report.errors):
        first = rule.first
        places = [shown_path(one.path, report.dataset) for one in rule.findings if one.path is not None]
        named = ", ".join(places[:NAMED]) + (f" and {len(places) - NAMED} more" if len(places) > NAMED else "")
        yield f"will fail: {f'{named}: ' if named else ''}{first.said}; {first.advice}"
