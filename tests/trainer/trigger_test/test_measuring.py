"""The whole test of a trigger on the miniature, with few seeds and steps: a name that it knows, and a new word."""

from __future__ import annotations

from base_models.base_source import find_base
from foundation.progress import Silent
from miniature.paths import SUBJECT
from trainer.trigger_test.known_words import KnownWords
from trainer.trigger_test.measuring import TriggerQuestion, measure_trigger
from trainer.trigger_test.readers import face_reader


def test_a_name_that_the_base_was_trained_on_is_known_and_a_new_word_is_far_below() -> None:
    question = TriggerQuestion(
        base=find_base("miniature"),
        trigger="ohwx person",
        class_word="person",
        captions=["photo of tessa, smiling"] * 2,
        pictures=sorted(SUBJECT.glob("Train/7_*/*.png"))[:8],
        known=KnownWords(),
        device="cpu",
        seeds=5,
        steps=8,
    )
    report = measure_trigger(question, face_reader("miniature"), Silent())
    (name,) = report.names
    assert (name.words, name.captions, name.prompt) == ("tessa", 2, "photo of a tessa person")
    assert name.pollution.share > 0.7
    assert report.trigger.pollution.share < name.pollution.share / 2
    assert report.suggestions == ()
