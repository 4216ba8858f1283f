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
from trainer.checking.rules.quality_rows import BURNT
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


# A face that is dark, soft or grey is hardly to be recognised: the picture is told for that, and not for its face, too.
HIDES_FACES = (
    "grey_picture", "enlarged", "soft", "soft_face", "dark", "flat", "burnt_out", "noisy", "compressed",
)  # fmt: skip
OF_HIDDEN_FACES = ("other_person", "no_face")
# Of its middle that is white alone: not even hair or eyes are left, so perhaps nobody stands there, and both are told.
EMPTY = 0.95


def rule_keys() -> tuple[str, ...]:
    """The keys of all rules."""
    return tuple(rule.key for rule in RULES)


def findings_of(evidence: Evidence, phrases: Phrases) -> tuple[Finding, ...]:
    """What all rules that are asked find, the gravest first."""
    off = set(evidence.thresholds.off)
    found = [one for one in _all(evidence, phrases) if one.rule not in off]
    hidden = {one.path for one in found if one.rule in HIDES_FACES and not _may_be_empty(one)}
    return sorted_findings([one for one in found if one.rule not in OF_HIDDEN_FACES or one.path not in hidden])


def _may_be_empty(one: Finding) -> bool:
    return one.rule == BURNT.key and one.value is not None and one.value > EMPTY


def _all(evidence: Evidence, phrases: Phrases) -> Iterator[Finding]:
    yield from file_findings(evidence)
    yield from quality_findings(evidence)
    yield from face_findings(evidence)
    yield from background_findings(evidence, phrases)
    yield from caption_findings(evidence, phrases)
    yield from reg_findings(evidence)
