"""Captions are learned as words: what means something else in other tools is said, once for all."""

from __future__ import annotations

from pathlib import Path

from trainer.data.dataset import Sample
from trainer.running.training import captions_note


def samples(*captions: str) -> list[Sample]:
    return [Sample(Path(f"{at}.png"), caption, 1, "1_ohwx") for at, caption in enumerate(captions)]


def test_the_first_odd_caption_is_named_with_how_many_there_are() -> None:
    said = captions_note(samples("ohwx, smiling", "ohwx <lora:Kat:0.6>", "ohwx {a|b}"))
    assert said is not None
    assert "2 hold more than words; the first is of 1.png: `<lora:Kat:0.6>`" in said


def test_words_and_weights_are_no_note() -> None:
    assert captions_note(samples("ohwx person, (smiling:1.2), [dark]", "a dog")) is None
