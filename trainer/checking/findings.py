"""What a check found: findings, each with its picture, value, rule and what to do; the verdict; the report of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal

Verdict = Literal["ready", "mend", "fail"]
IN_WORDS: dict[Verdict, str] = {"ready": "ready", "mend": "mend these first", "fail": "will fail"}


class Severity(StrEnum):
    """`error`: training stops at it, or cannot learn the subject; `mend`: it costs likeness; `note`: worth knowing."""

    ERROR = "error"
    MEND = "mend"
    NOTE = "note"


class Group(StrEnum):
    """What a rule is about."""

    FILES = "files"
    QUALITY = "quality"
    FACES = "faces"
    BACKGROUND = "background"
    CAPTIONS = "captions"
    REG = "reg"
    TRIGGER = "trigger"


@dataclass(frozen=True)
class Finding:
    """One thing that was found. `path`: the picture, file or folder; None where it is about the whole set.

    `title` is what the rule finds, `said` what was seen of it here, `advice` what to do, `source` where the rule comes
    from. `value` was measured and `limit` is what it was compared with, both in `unit`; None of what was not measured.
    `others`: pictures that share it.
    """

    rule: str
    group: Group
    severity: Severity
    path: Path | None
    title: str
    said: str
    advice: str
    source: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    others: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Tag:
    """A phrase between commas, and the pictures whose captions say it."""

    text: str
    pictures: tuple[Path, ...]


@dataclass(frozen=True)
class CheckedPicture:
    """A picture of the set: its role ("train", "reg", "reference"), caption, what was measured, and a small JPEG.

    `is_captioned`: whether the caption is its own, and not its folder's class words.
    """

    path: Path
    role: str
    caption: str
    measured: Mapping[str, object]
    thumbnail: bytes | None = None
    is_captioned: bool = True


@dataclass(frozen=True)
class Report:
    """All of a check. `unmeasured`: what was not looked at, and what to give for it; `facts`: what was checked, by
    which settings and models."""

    dataset: Path
    findings: tuple[Finding, ...]
    pictures: tuple[CheckedPicture, ...]
    tags: tuple[Tag, ...] = ()
    unmeasured: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def verdict(self) -> Verdict:
        """`fail` with an error, `mend` with something to mend, else `ready`."""
        found = {one.severity for one in self.findings}
        return "fail" if Severity.ERROR in found else "mend" if Severity.MEND in found else "ready"

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What training stops at, or cannot learn by."""
        return self.of(Severity.ERROR)

    def joined(self, findings: Sequence[Finding]) -> Report:
        """With findings that others made of the same data, as of its trigger on the base model."""
        return replace(self, findings=sorted_findings([*self.findings, *findings]))

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of a severity."""
        return tuple(one for one in self.findings if one.severity == severity)


def sorted_findings(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """Errors first, then what to mend, then notes; each by group, rule and path."""
    severities, groups = list(Severity), list(Group)
    return tuple(
        sorted(
            found,
            key=lambda one: (
                severities.index(one.severity),
                groups.index(one.group),
                one.rule,
                str(one.path or ""),
                one.said,
            ),
        )
    )
