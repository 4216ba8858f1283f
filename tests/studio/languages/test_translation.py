"""What is said in another language: values come out as they are, and what is not there is English."""

from __future__ import annotations

from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as some

from studio.languages.known import LANGUAGES, language_asked_for, language_of
from studio.languages.translation import language, noted, speak, speaking, tr, tr_many

HOSTILE = ["{0.__class__}", "{cell}", "%s", "%(cell)s", "<b>x</b>", "*x*", "{", "}}", r"\1", ""]


def test_words_are_english_until_another_language_is_spoken() -> None:
    assert tr("Home") == "Home"
    with speaking("ja"):
        assert tr("Home") == "ホーム"
        with speaking("zh_Hant"):
            assert tr("Home") == "首頁"
        assert language() == "ja"
    assert language() == "en"


def test_numbers_choose_their_form() -> None:
    assert tr_many("{count} picture", "{count} pictures", 1) == "1 picture"
    assert tr_many("{count} picture", "{count} pictures", 0) == "0 pictures"
    with speaking("zh_Hant"):
        assert tr_many("{count} picture", "{count} pictures", 1) == "1 張圖片"
        assert tr_many("{count} picture", "{count} pictures", 24) == "24 張圖片"


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_comes_out_as_it_is(code: str, value: str) -> None:
    with speaking(code):
        around = tr("{title}: {prompt}", title="-", prompt="-").split("-")
        assert tr("{title}: {prompt}", title=value, prompt=value) == value.join(around)


@given(some.text(), some.text())
def test_no_value_reads_another(title: str, prompt: str) -> None:
    assert tr("{title}: {prompt}", title=title, prompt=prompt) == f"{title}: {prompt}"


def test_what_is_in_no_catalogue_stays_as_it_is() -> None:
    """A title that an earlier version kept, a voter's name: looked up, and nobody's words."""
    with speaking("ja"):
        assert tr("{0.__class__} %s {name}") == "{0.__class__} %s {name}"
        assert tr("") == "", "gettext would answer with the head of the catalogue"
        assert noted("Home") == "Home"


@pytest.mark.parametrize("code", ["", "fr", "../../etc/passwd", "ja_JP", "zh_Hans"])
def test_a_language_that_is_not_spoken_is_english(code: str) -> None:
    with speaking(code):
        assert language() == "en"
        assert tr("Home") == "Home"


def test_each_thread_speaks_its_own() -> None:
    """Two visitors' pages are drawn at the same time."""
    said: list[str] = []

    def visit() -> None:
        said.append(tr("Home"))
        speak("ja")
        said.append(tr("Home"))

    thread = Thread(target=visit)
    with speaking("zh_Hant"):
        thread.start()
        thread.join()
        said.append(tr("Home"))
    assert said == ["Home", "ホーム", "首頁"]


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("ja", "ja"),
        ("ja-JP", "ja"),
        ("zh-TW", "zh_Hant"),
        ("zh_HK", "zh_Hant"),
        ("zh-Hant-MO", "zh_Hant"),
        ("zh-CN", "en"),
        ("zh-Hans-TW", "en"),
        ("jam", "en"),
        ("en-GB", "en"),
        ("de", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_a_browsers_tag_names_a_language(tag: str | None, code: str) -> None:
    assert language_of(tag) == code


@pytest.mark.parametrize(
    ("header", "code"),
    [("ja,en;q=0.8", "ja"), ("fr-CH, zh-TW;q=0.9, ja;q=0.5", "zh_Hant"), ("en-US,ja", "en"), ("*", "en"), ("", "en")],
)
def test_the_first_that_a_request_asks_for_and_that_is_spoken_here(header: str, code: str) -> None:
    assert language_asked_for(header) == code
