"""What the base model already makes of the trigger, as findings; drawn and measured where a base model is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from base_models.base_source import find_base
from foundation.progress import Reporter
from foundation.wording.said import say
from trainer.checking.findings import Finding
from trainer.checking.models_asked import face_pack_of
from trainer.checking.request import CheckRequest
from trainer.checking.rules import trigger_rows as row
from trainer.checking.settings import settings_of
from trainer.checking.subject_words import subject_of
from trainer.checking.survey import surveyed
from trainer.checking.thresholds import read_thresholds
from trainer.trigger_test.known_words import read_known_words
from trainer.trigger_test.measuring import TriggerQuestion, TriggerReport, measure_trigger
from trainer.trigger_test.readers import face_reader
from trainer.trigger_test.wording import findings_of

UNIT = "of the way to one fixed person"


def check_base(request: CheckRequest) -> None:
    """Raise BaseModelError where the base model that is named is not there, before minutes are spent on pictures."""
    if request.base is not None:
        find_base(request.base, settings_of(request).config.model.overrides)


def trigger_findings(request: CheckRequest, reporter: Reporter) -> tuple[Finding, ...]:
    """Of the request's base model; none without one.

    Raises BaseModelError, ConfigurationError for a device that is not here, FacePackError and NothingReadError.
    """
    if request.base is None:
        return ()
    settings = settings_of(request)
    survey = surveyed(settings.places)
    subject = subject_of(survey.train, request.trigger, request.class_word)
    if not subject.trigger or not subject.class_word:
        return (row.UNMEASURED.found(None, say("the trigger is not known; name it with --trigger and --class")),)
    faces, why_not = face_pack_of(request, settings, subject.class_word, subject.is_person)
    if faces is None:
        return (row.UNMEASURED.found(None, say("the trigger is measured by faces alone; {why}", why=why_not)),)
    model = settings.config.model
    question = TriggerQuestion(
        base=find_base(request.base, model.overrides),
        trigger=subject.trigger,
        class_word=subject.class_word,
        captions=[one.caption for one in survey.train],
        pictures=[one.path for one in survey.train],
        known=read_known_words(),
        device=model.device,
        dtype=model.dtype,
    )
    off = read_thresholds(request.thresholds).off
    found = _found(measure_trigger(question, face_reader(faces.name), reporter))
    return tuple(one for one in found if one.rule not in off)


def _found(report: TriggerReport) -> Iterator[Finding]:
    verdicts = {one.words: one.pollution.verdict for one in report.names}
    for one in findings_of(report):
        if one.key == "trigger":
            rule = {"known": row.KNOWN, "free": row.FREE}.get(report.trigger.pollution.verdict, row.IN_PART)
        else:
            rule = row.NAME_KNOWN if verdicts.get(one.words) in ("known", "in part") else row.NAME
        yield replace(rule.found(None, one.text, one.value, unit=UNIT), advice=one.advice)
