"""What the base model already makes of the trigger, as findings; drawn and measured where a base model is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from base_models.base_source import find_base
from foundation.progress import Reporter
from trainer.checking.evidence import Evidence
from trainer.checking.findings import Finding
from trainer.checking.models_asked import FacePack
from trainer.checking.request import CheckRequest
from trainer.checking.rules import trigger_rows as row
from trainer.checking.settings import Role
from trainer.trigger_test.known_words import read_known_words
from trainer.trigger_test.measuring import Reader, TriggerQuestion, TriggerReport, measure_trigger
from trainer.trigger_test.readers import face_reader, whole_picture_reader
from trainer.trigger_test.wording import findings_of

NO_BASE = "the trigger on the base model: `trainer check --base MODEL` measures what it already answers to"
NO_READER = "the trigger on the base model: compared by faces or whole pictures, so name --faces PACK or --clip MODEL"
NO_TRIGGER = "the trigger on the base model: it is not known; name it with --trigger and --class"
UNIT = "of the way to one fixed person"


def trigger_findings(
    request: CheckRequest, evidence: Evidence, faces: FacePack | None, reporter: Reporter
) -> tuple[tuple[Finding, ...], str]:
    """The findings, and why nothing was measured ("" where it was).

    Raises BaseModelError, ConfigurationError, ClipError and NothingReadError.
    """
    subject = evidence.subject
    if request.base is None:
        return (), NO_BASE
    if not subject.trigger or not subject.class_word:
        return (), NO_TRIGGER
    reader = _reader(request, faces)
    if reader is None:
        return (), NO_READER
    model = evidence.config.model
    question = TriggerQuestion(
        base=find_base(model.base, model.overrides),
        trigger=subject.trigger,
        class_word=subject.class_word,
        captions=[one.caption for one in evidence.survey.train],
        pictures=[one.path for one in evidence.of(Role.TRAIN) if one.is_readable],
        known=read_known_words(),
        device=model.device,
        dtype=model.dtype,
    )
    return tuple(_found(measure_trigger(question, reader, reporter))), ""


def _reader(request: CheckRequest, faces: FacePack | None) -> Reader | None:
    if faces is not None:
        return face_reader(faces.name)
    return whole_picture_reader(request.clip) if request.clip else None


def _found(report: TriggerReport) -> Iterator[Finding]:
    verdicts = {one.words: one.pollution.verdict for one in report.names}
    for one in findings_of(report):
        if one.key == "trigger":
            rule = {"known": row.KNOWN, "free": row.FREE}.get(report.trigger.pollution.verdict, row.IN_PART)
        else:
            rule = row.NAME_KNOWN if verdicts.get(one.words) in ("known", "in part") else row.NAME
        found = rule.found(None, one.text, one.value, unit=UNIT)
        yield replace(found, advice=one.advice)
