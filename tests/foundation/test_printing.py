"""What is printed is what was said: no markup, no control character, no path longer than it must be, no word broken."""

from __future__ import annotations

import ast
import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from foundation.printing import (
    as_printed,
    as_typed,
    console_on,
    from_here,
    how_many,
    print_lines,
    printable,
    shown,
    wrapped,
)

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = [
    "[/bold]",
    "[b]",
    "[link=x]y",
    ":smile:",
    "[red]a[/red]",
    "\x1b[2J",
    "a\x9bb",
    "\u202ex",
    "{0}",
    "%s",
    "\udcff",
]
WORDS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=60)


def printed(line: str | Text, width: int = 80) -> str:
    out = io.StringIO()
    print_lines([line], Console(file=out, width=width, height=25, markup=False, emoji=False, highlight=False))
    return out.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_strangers_text_is_printed_and_not_obeyed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_lines([f"wrote {name}", Text(f"wrote {name}", style="bold")])
    expected = "".join(one if one.isprintable() else "?" for one in name)
    assert capsys.readouterr().out == f"wrote {expected}\n" * 2


def test_a_name_in_persian_and_an_emoji_of_several_keep_what_joins_them() -> None:
    assert printable("می\u200cخواهم 👩\u200d🎨\tx\ny") == "می\u200cخواهم 👩\u200d🎨 x\ny"


def test_paths_are_told_from_where_one_stands() -> None:
    here = Path("/home/me/work")
    told = "/home/me/work/runs/a.png: is gone; `/home/me/work/b`, not /home/me/work-2/c nor /data/home/me/work/d"
    expected = "runs/a.png: is gone; `b`, not /home/me/work-2/c nor /data/home/me/work/d"
    assert from_here(told, here) == expected
    assert from_here("wrote /home/me/work", here) == "wrote ."
    assert from_here("wrote /tmp/a", Path("/")) == "wrote /tmp/a"


def test_a_message_names_a_file_below_the_current_folder_shortly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(f"{tmp_path.resolve()}/runs/a.png: is gone") == "runs/a.png: is gone"


@pytest.fixture
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One stands in a folder whose Python's environment is not active; the folder of its commands."""
    there = tmp_path.resolve() / ".venv/bin"
    there.mkdir(parents=True)
    for name in ("python", "python3"):
        (there / name).touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(there / "python3"))
    monkeypatch.chdir(tmp_path)
    return there


def test_a_command_calls_the_python_that_says_it(own_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "run `python -m eval grid a.toml` or /opt/python -m eval, python -m pip; CUDA=0 python -m trainer run x"
    expected = (
        "run `.venv/bin/python3 -m eval grid a.toml` or /opt/python -m eval, python -m pip; "
        "CUDA=0 .venv/bin/python3 -m trainer run x"
    )
    assert shown(said) == as_typed(said) == expected
    monkeypatch.chdir("/")
    assert as_typed("python -m streamlit run studio") == f"{own_environment}/python3 -m streamlit run studio"
    monkeypatch.setenv("PATH", str(own_environment))
    assert as_typed(said) == said


def test_a_python_below_a_folder_with_a_blank_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/my envs/a/bin/python")
    assert as_typed("python -m eval rank") == "'/my envs/a/bin/python' -m eval rank"


@pytest.mark.usefixtures("own_environment")
def test_a_coloured_command_keeps_its_colours(capsys: pytest.CaptureFixture[str]) -> None:
    text = Text("! run python -m eval rank a", style="yellow")
    text.stylize("bold", 6, 20)
    kept = as_printed(text)
    assert kept.plain == "! run .venv/bin/python3 -m eval rank a"
    console = console_on()
    assert kept.get_style_at_offset(console, 8) == console.get_style("bold yellow")
    assert kept.get_style_at_offset(console, len(kept.plain) - 1) == console.get_style("yellow")
    print_lines([text])
    assert capsys.readouterr().out == f"{kept.plain}\n"


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@given(words=st.lists(WORDS, max_size=30))
def test_lines_break_between_words_alone(width: int, words: list[str]) -> None:
    text = printable(" ".join(words))
    lines = [line.plain for line in wrapped(Text(text), width)]
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())
    for line in lines:
        assert cell_len(line) <= width or len(line.split()) == 1 or line.endswith("%")


def test_what_goes_on_stands_below_the_first_words_and_a_number_keeps_its_percent() -> None:
    assert printed("! first row: 31 % of the pictures", 16) == "! first row:\n  31 % of the\n  pictures\n"
    assert printed("  healthy: so it is", 12) == "  healthy:\n  so it is\n"


def test_a_pipe_gets_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines(["word " * 100])
    assert capsys.readouterr().out.count("\n") == 1


def test_a_terminal_is_as_wide_as_columns_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "61")
    assert console_on(io.StringIO()).width == 61


def test_there_is_one_door_to_the_terminal() -> None:
    """A console of rich's own reads markup out of names; no other module makes one."""
    made = [
        path.relative_to(ROOT).as_posix()
        for room in ("foundation", "base_models", "loras", "trainer", "eval", "studio")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Console", "rich.print", "rich.console.Console")
    ]
    assert set(made) == {"foundation/printing.py"}


def test_one_of_a_kind_is_no_plural() -> None:
    assert [how_many(number, "cell") for number in (0, 1, 2)] == ["0 cells", "1 cell", "2 cells"]
