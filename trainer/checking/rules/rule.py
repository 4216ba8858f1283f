"""A row of the table of rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation.wording.said import say
from trainer.checking.findings import Finding, Group, Severity

# Where rules come from.
STORY = say("a practitioner's notes: twelve failed runs and one that worked")
KOHYA = "sd-scripts' library/train_util.py"
OURS = "docs/training.md, The data"


@dataclass(frozen=True)
class Rule:
    """`title`: what was found, in few words; `advice`: what to do; `limit`: the threshold's key, where there is one."""

    key: str
    group: Group
    severity: Severity
    title: str
    advice: str
    source: str
    limit: str = ""

    def found(
        self,
        path: Path | None,
        said: str = "",
        value: float | None = None,
        limit: float | None = None,
        unit: str = "",
        others: Sequence[Path] = (),
    ) -> Finding:
        """A finding of this rule. `said` is what was seen of it here; without, the title."""
        return Finding(
            self.key, self.group, self.severity, path, self.title, said or self.title, self.advice, self.source, value,
            limit, unit, tuple(others),
        )  # fmt: skip
