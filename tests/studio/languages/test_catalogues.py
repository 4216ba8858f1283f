"""The catalogues: whole, up to date with the code, and true to what stands in braces."""

from __future__ import annotations

from functools import cache
from typing import get_args

import pytest
from babel.messages.catalog import Catalog, Message

from eval.ranking.columns import COLUMNS
from eval.statistics.standing import Standing
from eval.wording.subject_words import FACE, IMAGE
from studio.languages import words_of_others
from studio.languages.extraction import brought_up, catalogue_of, words_said
from studio.languages.known import ENGLISH, LANGUAGES
from studio.languages.translation import CATALOGUES, PLACE
from trainer.checking.reporting.in_words import HEADINGS

OTHERS = [code for code in LANGUAGES if code != ENGLISH]
# A translation of these is no other word.
SAME = {"LoRA", "CLIP", "CFG", "UNet", "TEnc", "Rank", "Tagger", "Checkpoint", "checkpoint", "epoch", "the GPU"}


@cache
def said() -> Catalog:
    return words_said()


def messages(catalogue: Catalog) -> list[Message]:
    return [one for one in catalogue if one.id]


def several(words: object) -> tuple[str, ...]:
    """A message's words, of which one that hangs on a number has several."""
    return tuple(map(str, words)) if isinstance(words, list | tuple) else (str(words),)


def test_there_is_a_catalogue_for_each_language_and_no_other() -> None:
    assert {path.stem for path in CATALOGUES.iterdir()} == {*OTHERS}


@pytest.mark.parametrize("code", OTHERS)
def test_everything_that_is_said_is_translated_and_nothing_else_is(code: str) -> None:
    catalogue = catalogue_of(code)
    assert {one.id for one in messages(catalogue)} == {one.id for one in messages(said())}
    assert not catalogue.obsolete
    assert [one.id for one in messages(catalogue) if one.fuzzy or not all(several(one.string))] == []


@pytest.mark.parametrize("code", OTHERS)
def test_translations_are_no_english(code: str) -> None:
    same = {several(one.id)[0] for one in messages(catalogue_of(code)) if several(one.string)[0] == several(one.id)[0]}
    # What is but names in braces, and what is written alike everywhere.
    assert {one for one in same - SAME if any(map(str.isalpha, PLACE.sub("", one)))} <= {
        "GPU {number}",
        "epoch {number}",
    }


@pytest.mark.parametrize("code", OTHERS)
def test_names_in_braces_survive_in_all_forms(code: str) -> None:
    catalogue = catalogue_of(code)
    for one in messages(catalogue):
        told, wanted = several(one.string), set(PLACE.findall("".join(several(one.id))))
        assert len(told) == (catalogue.num_plurals if one.pluralizable else 1)
        for words in told:
            assert set(PLACE.findall(words)) == wanted, one.id
            assert words.count("{") == words.count("}") == len(PLACE.findall(words)), one.id


@pytest.mark.parametrize("code", OTHERS)
def test_code_and_bold_survive(code: str) -> None:
    for one in messages(catalogue_of(code)):
        for mark in ("`", "**", "\n", ":gray["):
            assert several(one.string)[0].count(mark) == several(one.id)[-1].count(mark), one.id


@pytest.mark.parametrize("code", OTHERS)
def test_the_file_is_as_it_is_written_anew(code: str) -> None:
    """`make languages` changes nothing of it."""
    assert (CATALOGUES / f"{code}.po").read_bytes() == brought_up(catalogue_of(code), said())


def test_a_new_sentence_is_added_empty_and_an_old_one_dropped() -> None:
    new = Catalog()
    new.add("Home")
    new.add("Something new")
    written = brought_up(catalogue_of("ja"), new).decode()
    assert 'msgid "Home"\nmsgstr "ホーム"' in written
    assert 'msgid "Something new"\nmsgstr ""' in written
    assert "Vote" not in written


def test_short_words_of_others_are_still_theirs() -> None:
    assert {*words_of_others.HEADINGS} <= {column.heading for column in COLUMNS}
    assert {*words_of_others.STANDINGS} == {*get_args(Standing)}
    assert {FACE.lost_mark, IMAGE.lost_mark} <= {*words_of_others.MARKS}
    assert {*words_of_others.OTHERS} == {FACE.others, IMAGE.others}
    assert {*words_of_others.SEVERITIES} == {*HEADINGS.values()}
