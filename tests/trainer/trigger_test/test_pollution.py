"""Figures of a trigger: 0 where a word draws what the class word does, 1 where it draws one person, on arrays."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.trigger_test.known_words import names_in, read_known_words
from trainer.trigger_test.measuring import Answered, TriggerReport, prompt_of
from trainer.trigger_test.pollution import Pollution, pollution
from trainer.trigger_test.wording import as_json, findings_of

WIDTH = 32


def strangers(rng: np.random.Generator, count: int) -> np.ndarray:
    drawn = rng.normal(size=(count, WIDTH))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def one_person(rng: np.random.Generator, count: int, spread: float = 0.05) -> np.ndarray:
    drawn = strangers(rng, 1) + spread * rng.normal(size=(count, WIDTH))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_a_word_that_draws_whom_the_class_word_draws_has_an_interval_around_0() -> None:
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = pollution(strangers(rng, 16), strangers(rng, 16))
        covered += found.low <= 0
        assert found.high < 0.25
    assert covered >= 34


def test_a_word_that_draws_one_person_is_known() -> None:
    rng = np.random.default_rng(1)
    found = pollution(one_person(rng, 16), strangers(rng, 16), 0.95)
    assert found.share > 0.9
    assert found.verdict == "known"


def test_half_of_the_pictures_one_person_lies_between() -> None:
    rng = np.random.default_rng(2)
    mixed = np.concatenate([one_person(rng, 12), strangers(rng, 12)])[rng.permutation(24)]
    found = pollution(mixed, strangers(rng, 24), 0.95)
    assert 0.1 < found.share < 0.5
    assert found.low < found.share < found.high


def test_a_picture_that_loses_its_face_by_the_word_counts_in_full() -> None:
    rng = np.random.default_rng(3)
    plain, lost = strangers(rng, 16), np.full((16, 1), np.nan)
    assert pollution(lost, plain).share == 1
    some = strangers(rng, 16)
    some[:8] = np.nan
    found = pollution(some, plain)
    assert found.share == pytest.approx(0.5, abs=0.15)
    assert (found.seen, found.seen_of_class) == (8, 16)


def test_fewer_than_four_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        pollution(np.ones((3, 2)), np.ones((3, 2)))


@pytest.mark.parametrize(
    ("captions", "names"),
    [
        (["photo of Emma Watson, smiling", "photo of emma, sad"], ["Emma Watson", "emma"]),
        (["photo of hina, smiling, red hoodie"], ["hina"]),
        (["刘亦菲的照片"], ["刘亦菲"]),
        (["photo of a ohwx person, Smiling", "Photo of a ohwx person, New hat"], []),
        (["A Photo Of An Ohwx Person In A Red Coat"], []),
        (["photo of people in a park", "picture of dogs", "photo of her"], []),
    ],
)
def test_who_is_named_beside_the_trigger(captions: list[str], names: list[str]) -> None:
    assert [one.words for one in names_in(captions, "ohwx", "person", read_known_words())] == names


def test_the_class_word_stands_behind_a_trigger_that_lacks_it() -> None:
    assert prompt_of("hina", "woman") == "photo of a hina woman"
    assert prompt_of("ohwx woman", "woman") == "photo of a ohwx woman"


def answered(words: str, low: float, high: float, captions: int = 0) -> Answered:
    return Answered(words, prompt_of(words, "person"), Pollution((low + high) / 2, low, high, 16, 16, 16), captions)


def test_a_known_trigger_is_an_error_that_offers_what_was_measured_as_free() -> None:
    tried = (answered("zwx", 0.1, 0.4), answered("olis", 0.0, 0.2), answered("ohwx", 0.0, 0.1))
    report = TriggerReport(answered("hina", 0.8, 0.9), "photo of a person", (answered("emma", 0.7, 0.9, 3),), (), tried)
    trigger, name = findings_of(report)
    assert (trigger.severity, trigger.key, trigger.low) == ("error", "trigger", 0.8)
    assert trigger.advice.index("`ohwx`") < trigger.advice.index("`olis`")
    assert "zwx" not in trigger.advice
    assert (name.severity, name.words) == ("error", "emma")
    assert "in 3 captions" in name.text
    assert [one["verdict"] for one in as_json(report)["suggestions"]] == ["cannot tell", "free", "free"]  # type: ignore[union-attr]


def test_a_free_trigger_is_a_note() -> None:
    (found,) = findings_of(TriggerReport(answered("ohwx", 0.0, 0.1), "photo of a person", (), (), ()))
    assert (found.severity, found.advice) == ("note", "nothing to do")
