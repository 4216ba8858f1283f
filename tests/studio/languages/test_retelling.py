"""What `eval` and `trainer` say, in the reader's language: at hand, or read from a file as text alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from eval.ranking.columns import COLUMNS
from eval.ranking.verdict import verdict
from eval.reporting.ranking_table import provenance, trends_of
from foundation.wording.said import PLACE, Said, in_series, say, say_many
from studio.languages.extraction import ROOMS, STUDIO, words_said
from studio.languages.known import LANGUAGES
from studio.languages.retelling import NUMBERS, tells_itself, told, understood
from studio.languages.translation import speaking
from studio.shared.stores import OpenedStore
from trainer.checking.rules.table import RULES

OTHERS = ["ja", "zh_Hant"]
# Three words of a sentence, one after another.
ENGLISH = re.compile(r"\b[a-z]+ [a-z]+ [a-z]+\b")
HOSTILE = ["{row}", "{0.__class__}", "%s", "<b>x</b>", "no face is found", "](http://x)", "a; b, c", "\u202e", ""]


def templates() -> Iterator[tuple[str, str]]:
    """All that these rooms say, of one and of several."""
    for message in words_said():
        if message.id and any(not place.startswith("studio/") for place, _ in message.locations):
            yield message.id if isinstance(message.id, list | tuple) else (message.id, "")


def made(one: str, several: str) -> Said:
    names = PLACE.findall(several or one)
    return Said(one, several, 7, {name: "7" if name in NUMBERS else f"{name.upper()}7" for name in names})


@pytest.mark.parametrize("code", OTHERS)
def test_what_a_file_holds_as_text_is_said_as_what_is_at_hand(code: str) -> None:
    with speaking(code):
        for one, several in templates():
            if tells_itself(several or one):
                said = made(one, several)
                assert told(str(said)) == told(said), one


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_comes_out_as_it_is(code: str, value: str) -> None:
    with speaking(code):
        around = told(say("Take {row}, or {other}.", row="-", other="-")).split("-")
        assert told(say("Take {row}, or {other}.", row=value, other=value)) == value.join(around)


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_strangers_words_in_a_file_are_nobodys_sentence(code: str) -> None:
    with speaking(code):
        for text in (*HOSTILE[:4], "hina-3.safetensors", "a girl, smiling; a red hoodie", "x" * 10_000, "; , " * 5_000):
            assert told(text) == text
        inside = told("no `ohwx`: no face is found")
        assert inside.endswith("no face is found"), "a caption is its writer's, whatever it says"


def test_sentences_within_sentences_are_said_too() -> None:
    what = say("{rows} left: {why}", rows=say_many("{count} row", "{count} rows", 2), why=say("no face is found"))
    with speaking("zh_Hant"):
        assert told(what) == "2 列 left: 找不到臉", "of a template without a translation its values have one"
        assert told("no face is found; crop it") == "找不到臉；裁切它"
        assert told(in_series(["no face is found", "x"])) == "no face is found；x", "text at hand is nobody's sentence"
        assert told("ready: nothing is wrong with 24 training pictures; 3 things worth knowing").startswith(
            "準備就緒：24 張"
        )
        run = "loss at fixed noise 0.0336 -> 0.0142, held out 0.0292 -> 0.0205, weights moved by 0.1 of the base's"
        assert told(run).count("、") == 2
        assert "0.0292 -> 0.0205" in told(run)
        assert "weights" not in told(run)
        assert told("12 pictures have the same mark at the upper left") == "12 張圖片的左上角有相同標記"
    assert told(what) == what == "2 rows left: no face is found"


def test_what_is_no_number_is_none() -> None:
    assert understood("many pictures have the same mark at the upper left") is None


@pytest.mark.parametrize("code", OTHERS)
def test_nothing_that_is_said_of_a_ranking_stays_english(code: str, opened: OpenedStore) -> None:
    rows, evidence = opened.rows, opened.ranked.evidence
    said = [
        *verdict(rows, evidence, opened.scores).all,
        *trends_of(rows),
        *(flag for row in rows for flag in row.flags),
    ]
    said += [provenance(evidence, len(rows)), *(column.explained(opened.words) for column in COLUMNS if column.heading)]
    with speaking(code):
        assert [one for one in said if ENGLISH.search(re.sub("`[^`]*`", "", told(one)))] == []


@pytest.mark.parametrize("code", OTHERS)
def test_every_rule_of_a_check_says_what_it_finds_and_what_to_do(code: str) -> None:
    with speaking(code):
        for rule in RULES:
            assert not ENGLISH.search(told(str(rule.title))), rule.key
            assert told(str(rule.advice)) != rule.advice, rule.key


def test_what_is_said_is_whole_and_has_its_values() -> None:
    """A sentence that is put together has no entry. Values may come later; none comes that has no place."""
    for path in sorted(path for room in ROOMS for path in (STUDIO.parent / room).rglob("*.py")):
        code = path.read_text(encoding="utf-8")
        for call in ast.walk(ast.parse(code if "foundation.wording.said" in code else "")):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("say", "say_many"):
                _look_at(call, path)


def _look_at(call: ast.Call, path: Path) -> None:
    assert isinstance(call.func, ast.Name)
    words = call.args[: 2 if call.func.id == "say_many" else 1]
    where = f"{path.name}:{call.lineno}"
    assert all(isinstance(one, ast.Constant) for one in words), where
    places = {name for one in words if isinstance(one, ast.Constant) for name in PLACE.findall(str(one.value))}
    assert {one.arg for one in call.keywords if one.arg} <= places, where
