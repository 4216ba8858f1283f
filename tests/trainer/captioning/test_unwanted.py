"""The list of phrases that captioners invent: what is found, and what is left of a caption without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.errors import ConfigurationError
from trainer.captioning.unwanted import read_phrases


@pytest.mark.parametrize(
    ("caption", "left"),
    [
        ("a woman take a cell phone, red hoodie", "a woman, red hoodie"),
        ("arafed woman holding her pink cell phone in her hand and smiling", "woman and smiling"),
        ("photo of a ohwx person, Cell Phone, smiling", "photo of a ohwx person, smiling"),
        ("a girl with a cell phone", "a girl"),
        ("一个女人拿着手机, 微笑", "一个女人, 微笑"),
        ("eine Frau mit einem Handy, lächelnd", "eine Frau, lächelnd"),
        ("cell phone", ""),
    ],
)
def test_an_invented_phrase_is_taken_out_and_the_rest_reads_on(caption: str, left: str) -> None:
    assert read_phrases().without(caption) == left


@pytest.mark.parametrize("caption", ["photo of a ohwx person, smiling, red hoodie", "a cellphones shop", ""])
def test_what_has_none_stays_as_it_is(caption: str) -> None:
    assert read_phrases().found_in(caption) == []
    assert read_phrases().without(caption) == caption


def test_of_two_that_overlap_the_longer_is_found_with_its_language_and_kind() -> None:
    (found,) = read_phrases().found_in("she is holding a cell phone")
    assert (found.words, found.phrase.language, found.phrase.kind) == ("holding a cell phone", "en", "invented")


def test_a_list_of_ones_own_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[nl]\ninvented = ["met * paraplu"]\n', encoding="utf-8")
    own = read_phrases(path)
    assert own.without("vrouw met een paraplu, lachend") == "vrouw, lachend"
    assert own.found_in("cell phone") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("en = 3", "en: write a table for a language"),
        ('[en]\ninvented = "one"', "en.invented: write a list of phrases"),
        ('[en]\ninvented = ["*"]', "en.invented: write a list of phrases"),
        ('[en]\nodd = ["one"]', "en.odd: unknown; a language has invented and filler"),
    ],
)
def test_what_is_no_list_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "phrases.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        read_phrases(path)
