"""A report for programs: one JSON document."""

from __future__ import annotations

from pathlib import Path

from trainer.checking.findings import IN_WORDS, Finding, Report
from trainer.checking.reporting.in_words import summary


def document(report: Report) -> dict[str, object]:
    """`verdict` is "ready", "mend" or "fail"; paths are as they are on this machine."""
    return {
        "dataset": str(report.dataset),
        "verdict": report.verdict,
        "in_words": IN_WORDS[report.verdict],
        "summary": summary(report),
        "facts": dict(report.facts),
        "findings": [_finding(one) for one in report.findings],
        "unmeasured": list(report.unmeasured),
        "tags": [
            {"tag": one.text, "count": len(one.pictures), "pictures": _texts(one.pictures)} for one in report.tags
        ],
        "pictures": [
            {"path": str(one.path), "role": one.role, "caption": one.caption, **one.measured} for one in report.pictures
        ],
    }


def _finding(one: Finding) -> dict[str, object]:
    return {
        "rule": one.rule,
        "group": one.group.value,
        "severity": one.severity.value,
        "path": None if one.path is None else str(one.path),
        "title": one.title,
        "said": one.said,
        "value": one.value,
        "limit": one.limit,
        "unit": one.unit,
        "advice": one.advice,
        "source": one.source,
        "others": _texts(one.others),
    }


def _texts(paths: tuple[Path, ...]) -> list[str]:
    return [str(path) for path in paths]
