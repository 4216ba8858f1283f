"""The table of rules, and all that they find."""

from __future__ import annotations

from collections.abc import Iterator

from trainer.checking.evidence import Evidence
from trainer.checking.findings import Finding, sorted_findings
from trainer.checking.phrases import Phrases
from trainer.checking.rules import caption_rows, face_rows, file_rows, quality_rows, reg_rows, trigger_rows
from trainer.checking.rules.background_rules import background_findings
from trainer.checking.rules.caption_rules import caption_findings
from trainer.checking.rules.face_rules import face_findings
from trainer.checking.rules.file_rules import file_findings
from trainer.checking.rules.quality_rules import quality_findings
from trainer.checking.rules.reg_rules import reg_findings
from trainer.checking.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    *file_rows.ROWS,
    *quality_rows.ROWS,
    *face_rows.ROWS,
    *face_rows.BACKGROUND_ROWS,
    *caption_rows.ROWS,
    *reg_rows.ROWS,
    *trigger_rows.ROWS,
)


def rule_keys() -> tuple[str, ...]:
    """The keys of all rules."""
    return tuple(rule.key for rule in RULES)


def findings_of(evidence: Evidence, phrases: Phrases) -> tuple[Finding, ...]:
    """What all rules that are asked find, the gravest first."""
    off = set(evidence.thresholds.off)
    return sorted_findings([one for one in _all(evidence, phrases) if one.rule not in off])


def _all(evidence: Evidence, phrases: Phrases) -> Iterator[Finding]:
    yield from file_findings(evidence)
    yield from quality_findings(evidence)
    yield from face_findings(evidence)
    yield from background_findings(evidence, phrases)
    yield from caption_findings(evidence, phrases)
    yield from reg_findings(evidence)
