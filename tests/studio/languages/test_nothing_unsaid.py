"""No words of the studio's own reach a reader but by `tr`: read off the code of pages, and of errors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from studio.languages.extraction import KEYWORDS, STUDIO
from studio.languages.known import LANGUAGES
from studio.languages.translation import PLACE, speaking, tr

PAGES = ("streamlit_app.py", "session.py", "notices.py", "*_page.py")
# What Streamlit shows of a call: these, and its arguments without a name, but for paths, kinds and keys.
NAMED = {"label", "help", "placeholder", "caption", "text", "alt", "title", "body", "page_title", "x_label", "y_label"}
SILENT = {"replace", "get_option", "join", "command", "form", "get", "setdefault", "pop", "relative_to"}
# Names of things that are called so in every language, and what is no word: each with its page.
ALLOWED = {
    ("home_page.py", "LoRA studio"),  # the product's name
    ("streamlit_app.py", " · LoRA studio"),
    ("export_page.py", "sha256"),  # the hash's name, and a column of it
    ("blending_page.py", "block"),  # columns of a chart's data; what is shown are x_label and y_label
    ("blending_page.py", "error"),
    ("captions_page.py", "--replace: "),  # what a command's error begins with, taken out
    ("wall_page.py", "-sheet.png"),  # the end of a file's name
    ("runs_page.py", "  \n:gray["),  # a colour of Markdown
}
KINDS = ("*_page.py", "image/png", "application/octet-stream")
# Said in a terminal before there is a reader (OpenDoorError), by the process that draws (EmptyPictureError), to us.
ERRORS_IN_ENGLISH = {"OpenDoorError", "EmptyPictureError", "ValueError"}


def files() -> list[Path]:
    return sorted(STUDIO.rglob("*.py"))


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (one for one in ast.walk(tree) if isinstance(one, ast.Call))


def name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def literals(node: ast.AST) -> Iterator[str]:
    """The words within an expression that are not given to `tr`."""
    if isinstance(node, ast.Call) and name_of(node) in KEYWORDS:
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and any(map(str.isalpha, node.value)):
        yield node.value
    for below in ast.iter_child_nodes(node):
        yield from literals(below)


def shown(tree: ast.AST) -> Iterator[str]:
    """Words that a page hands to a method: Streamlit's elements are methods of `st` and of places on the page."""
    for call in calls(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr not in SILENT:
            given = [*call.args, *(one.value for one in call.keywords if one.arg in NAMED)]
            yield from (word for one in given if not isinstance(one, ast.Lambda) for word in literals(one))


def test_pages_show_no_words_but_by_translation() -> None:
    found = {
        (path.name, word)
        for path in files()
        if any(fnmatch(path.name, one) for one in PAGES)
        for word in shown(ast.parse(path.read_text(encoding="utf-8")))
        if not any(fnmatch(word, kind) for kind in KINDS)
    }
    assert found == ALLOWED


def test_errors_for_a_reader_are_translated() -> None:
    found = [
        (path.name, word)
        for path in files()
        for call in calls(ast.parse(path.read_text(encoding="utf-8")))
        if name_of(call).endswith("Error") and name_of(call) not in ERRORS_IN_ENGLISH
        for word in literals(call)
    ]
    assert found == []


def test_what_is_looked_up_is_whole_and_has_its_values() -> None:
    """A sentence that is put together has no entry; a name without a value would be shown in braces."""
    for path in files():
        for call in calls(ast.parse(path.read_text(encoding="utf-8"))):
            if name_of(call) not in KEYWORDS:
                continue
            where, words = f"{path.name}:{call.lineno}", call.args[: KEYWORDS[name_of(call)]]
            assert not any(isinstance(one, ast.JoinedStr | ast.BinOp) for one in words), where
            told = [one.value for one in words if isinstance(one, ast.Constant)]
            if name_of(call) == "noted" or not told or any(one.arg is None for one in call.keywords):
                continue
            given = {one.arg for one in call.keywords} | ({"count"} if name_of(call) == "tr_many" else set())
            assert {name for one in told for name in PLACE.findall(str(one))} == given, where


@pytest.mark.parametrize("code", LANGUAGES)
def test_headings_beside_each_other_differ_in_every_language(code: str) -> None:
    """They are the keys of a table: of two that are alike the first would be lost."""
    tables = [
        [key.args[0].value for key in one.keys if isinstance(key, ast.Call) and isinstance(key.args[0], ast.Constant)]
        for path in files()
        for one in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(one, ast.Dict)
    ]
    assert sum(map(bool, tables)) >= 7
    with speaking(code):
        assert [one for one in tables if len({tr(str(word)) for word in one}) < len(one)] == []


@pytest.mark.parametrize("page", ["st.button('Go')", "left.metric(f'{n} rows', 1)", "st.toggle(tr('a'), help='why')"])
def test_words_that_are_not_translated_are_found(page: str) -> None:
    assert [*shown(ast.parse(page))]


@pytest.mark.parametrize(
    "page", ["st.button(tr('Go'), key='go')", "st.write(escaped(tr('a {b}', b=c)))", "st.title(t)"]
)
def test_words_that_are_translated_are_not(page: str) -> None:
    assert [*shown(ast.parse(page))] == []
