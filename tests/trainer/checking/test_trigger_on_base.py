"""What a base model knows of the trigger, as findings of a check; the drawing itself is tested where it is measured."""

from __future__ import annotations

import pytest

from foundation.progress import Silent
from miniature.paths import SUBJECT
from trainer.checking.request import CheckRequest
from trainer.checking.whole import trigger_on_base as module
from trainer.checking.whole.trigger_on_base import trigger_findings
from trainer.trigger_test.measuring import Answered, TriggerQuestion, TriggerReport
from trainer.trigger_test.pollution import Pollution


@pytest.mark.parametrize(
    ("low", "high", "rule"), [(0.8, 0.9, "trigger_known"), (0.0, 0.1, "trigger_free"), (0.1, 0.5, "trigger_half_known")]
)
def test_the_measured_trigger_and_names_are_findings(
    low: float, high: float, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[TriggerQuestion] = []

    def answered(words: str, low: float, high: float) -> Answered:
        return Answered(words, words, Pollution((low + high) / 2, low, high, 16, 16, 16), 2)

    def measured(question: TriggerQuestion, *_: object) -> TriggerReport:
        asked.append(question)
        return TriggerReport(
            answered(question.trigger, low, high), "photo of a person", (answered("emma", 0.7, 0.9),), (), ()
        )

    monkeypatch.setattr(module, "measure_trigger", measured)
    trigger, name = trigger_findings(CheckRequest(SUBJECT, base="miniature"), Silent())
    assert (trigger.rule, name.rule) == (rule, "name_known")
    assert trigger.value == pytest.approx((low + high) / 2)
    (question,) = asked
    assert (question.trigger, question.class_word, len(question.captions)) == ("ohwx person", "person", 24)


def test_without_a_base_nothing_is_measured_and_without_faces_that_is_said() -> None:
    assert trigger_findings(CheckRequest(SUBJECT), Silent()) == ()
    (one,) = trigger_findings(CheckRequest(SUBJECT, base="miniature", faces="none"), Silent())
    assert one.rule == "trigger_unmeasured"
