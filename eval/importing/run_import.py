"""Runs an import: read, shown or written, and what is said of it in the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eval.importing.import_plan import ImportRequest, PlannedImport, plan_import
from eval.importing.import_spec import ImportOptions, asked_subject, import_spec
from eval.importing.import_words import done_json, done_lines, plan_json, plan_lines
from eval.importing.imported_grid import Subject
from eval.importing.written_import import Written
from foundation.progress import Reporter

if TYPE_CHECKING:
    from rich.text import Text


@dataclass(frozen=True)
class ImportOutcome:
    """What was planned and, where it was asked for, what was written to `store`."""

    planned: PlannedImport
    subject: Subject
    store: Path | None
    written: Written | None

    def as_json(self) -> dict[str, object]:
        """The document of `import --json`."""
        if self.written is None or self.store is None:
            return plan_json(self.planned)
        return done_json(self.planned, self.written, self.store)

    def in_lines(self) -> list[str | Text]:
        """What `import` says."""
        if self.written is None or self.store is None:
            return list(plan_lines(self.planned, self.subject))
        return list(done_lines(self.planned, self.written, self.store, self.subject))


def run_import(
    request: ImportRequest, file: Path | None, options: ImportOptions, store: Path | None, reporter: Reporter
) -> ImportOutcome:
    """Read all pictures and write the store; without one nothing is written. Raises UserErrors."""
    subject, dtype = asked_subject(file, options)
    spec = import_spec(file, options) if store else None
    planned = plan_import(request, subject, dtype)
    written = None
    if store and spec:
        with reporter.waiting("starting the judges"):
            from eval.importing.import_store import write_import
        written = write_import(store, planned.grid, spec, request.sources, reporter)
    return ImportOutcome(planned, subject, store, written)
