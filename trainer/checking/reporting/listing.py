"""A report on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from trainer.checking.findings import Finding, Report, Severity
from trainer.checking.reporting.in_words import HEADINGS, RuleFindings, by_rule, shortened, shown_path, summary

SHOWN = 6  # findings of a rule; notes have fewer
SHOWN_NOTES = 2
SHOWN_TAGS = 12
COMMON, MANY_TAGS = 2, 4
LONGEST_TAG = 60  # characters
SHOWN_OTHERS = 5


def listing(report: Report) -> list[str]:
    """Its lines: the verdict, what was checked, findings by severity and rule, captions' tags, what to do next."""
    lines = [f"{report.dataset}: {summary(report)}"]
    lines += [f"  {name:<11}{said}" for name, said in report.facts.items() if said]
    for severity in Severity:
        rules = by_rule(report.of(severity))
        if rules:
            lines += ["", f"{HEADINGS[severity]} ({len(rules)})"]
            for one in rules:
                lines += _of_rule(one, report, SHOWN_NOTES if severity == Severity.NOTE else SHOWN)
    lines += [*_tags(report), *_unmeasured(report), "", f"Next: {next_step(report)}"]
    return lines


def next_step(report: Report) -> str:
    """What to do now."""
    if report.verdict == "fail":
        return "mend what stands under `Will fail`, then check again; --html FILE shows the pictures"
    if report.verdict == "mend":
        return "mend what stands under `Mend first` (--html FILE shows the pictures), then check again"
    return "train (`trainer run`), or look at all of it with --html FILE"


def next_step_on_page(report: Report) -> str:
    """The same for who looks at the page, which has the pictures."""
    return {
        "fail": "mend what stands under `Will fail`, then check again",
        "mend": "mend what stands under `Mend first`, then check again",
        "ready": "train (`trainer run`)",
    }[report.verdict]


def _of_rule(rule: RuleFindings, report: Report, most: int) -> Iterator[str]:
    first = rule.first
    how_often = f" ({len(rule.findings)})" if len(rule.findings) > 1 else ""
    yield f"  {first.title}{how_often} [{first.rule}]"
    yield f"    do: {first.advice}"
    for one in rule.findings[:most]:
        where = "" if one.path is None else shown_path(one.path, report.dataset)
        said = "" if one.said == one.title else one.said
        if where or said:
            yield f"    {': '.join(filter(None, (where, said)))}{_others(one)}"
    if len(rule.findings) > most:
        yield f"    and {len(rule.findings) - most} more (--json and --html have all)"


def _others(one: Finding) -> str:
    """The other pictures of a finding about several; of one about two, the sentence names the other."""
    if len(one.others) < 2 or (one.path is None and len(one.others) > SHOWN_OTHERS):
        return ""
    names = [path.name for path in one.others]
    more = f" and {len(names) - SHOWN_OTHERS} more" if len(names) > SHOWN_OTHERS else ""
    return f" ({', '.join(names[:SHOWN_OTHERS])}{more})"


def _tags(report: Report) -> list[str]:
    if not report.tags:
        return []
    shown = [f"{shortened(one.text, LONGEST_TAG)} ({len(one.pictures)})" for one in report.tags[:SHOWN_TAGS]]
    more = len(report.tags) - len(shown)
    rest = f", and {more} more" if more > 0 else ""
    return ["", f"Captions say: {', '.join(shown)}{rest}"]


def _unmeasured(report: Report) -> list[str]:
    return ["", "Not looked at", *(f"  {one}" for one in report.unmeasured)] if report.unmeasured else []
