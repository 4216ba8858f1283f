"""The one door to the terminal: texts go out as they are, whatever a file's name or a header holds.

No markup, emoji code or control character is obeyed, and no path is longer than it must be. A terminal's lines are
wrapped between words; what goes into a file or a pipe is not wrapped at all, so that it can be searched.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:  # rich is imported where something is printed
    from rich.console import Console
    from rich.text import Text

# What joins letters in Persian and in emoji is no control character to anybody.
JOINERS = "\u200c\u200d"
# A word with the blanks before and behind it; a number keeps its sign of percent.
WORD = re.compile(r"\s*\S+(?: %\S*)?\s*")
MARK = re.compile(r"\s*(?:[!~] )?")
COMMAND = re.compile(r"(?<![\w./-])python(?= -m (?:trainer|eval|streamlit)\b)")
ENDLESS = 10_000  # characters: the width of what is no terminal


def printable(text: str) -> str:
    """`text` without what a terminal would obey: a name and a header are strangers' texts. Lines stay lines."""
    return "".join(one if one.isprintable() or one in f"\n{JOINERS}" else " " if one == "\t" else "?" for one in text)


def from_here(text: str, here: Path | None = None) -> str:
    """A message whose paths below the current folder are told from there."""
    try:
        folder = str(here or Path.cwd())
    except OSError:  # it was removed
        return text
    if folder == os.sep:
        return text
    return re.sub(rf"(?<![^\s'\"`(=:]){re.escape(folder)}(?:{re.escape(os.sep)}(?=\S)|(?![^\s'\"`):;,]))", _rest, text)


def _rest(found: re.Match[str]) -> str:
    return "" if found[0].endswith(os.sep) else "."


def this_python() -> str:
    """How one calls this Python from where one stands: `python` where PATH finds this one, else its path, quoted."""
    here = Path(sys.executable)
    found = shutil.which("python")
    return "python" if found and Path(found).parent == here.parent else shlex.quote(from_here(str(here)))


def as_typed(text: str) -> str:
    """A message whose commands call this Python: a shell in which its environment is not active finds no `python`."""
    return COMMAND.sub(lambda _: this_python(), text)


def shown(text: str) -> str:
    """What is printed of a message."""
    return as_typed(from_here(printable(text)))


def console_on(stream: IO[str] | None = None) -> Console:
    """A console on stdout, or on `stream`: the only way to one, for it reads no markup and colours no figures.

    As wide as its terminal; as COLUMNS says; else endless.
    """
    from rich.console import Console

    told = Console(file=stream, markup=False, emoji=False, highlight=False)
    if told.file.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return told
    # Without a height rich would ask for both, and may be answered by a terminal that the stream is not.
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=ENDLESS, height=25)


def how_many(number: int, what: str) -> str:
    """A number with its noun: "1 cell", "4 cells"."""
    return f"{number} {what}" + "s" * (number != 1)


def print_lines(lines: Iterable[str | Text], console: Console | None = None) -> None:
    """Print lines, on stdout where no console is given: wrapped between words, but for a `Text` that may not be."""
    console = console or console_on()
    for line in lines:
        print_text(as_printed(line), console)


def print_text(text: Text, console: Console) -> None:
    """Print a line that is as it is to be printed."""
    whole = text.no_wrap is True or console.width >= ENDLESS
    for one in [text] if whole else wrapped(text, console.width):
        console.print(one, soft_wrap=True)


def wrapped(text: Text, width: int) -> list[Text]:
    """A text in lines of `width` characters, broken between words alone: a longer word is whole on a line of its own.

    What goes on stands below the words of the first line, behind its blanks and its mark.
    """
    from rich.cells import cell_len
    from rich.text import Text

    lines: list[Text] = []
    for line in text.split("\n", allow_blank=True):
        mark = MARK.match(line.plain)
        indent = " " * (cell_len(mark[0]) if mark else 0)
        breaks: list[int] = []
        taken = 0
        for word in WORD.finditer(line.plain):
            end = taken + cell_len(word[0].rstrip())
            if end > width and word.start() > 0:
                breaks.append(word.start())
                taken = len(indent)
            taken += cell_len(word[0])
        first, *rest = line.divide(breaks)
        lines += [first, *(Text(indent).append_text(one) for one in rest)]
    for line in lines:
        line.rstrip()
    return lines


def as_printed(line: str | Text) -> Text:
    """A line as it is printed; a `Text` keeps its colours."""
    from rich.text import Text

    if isinstance(line, str):
        return Text(shown(line))
    text = line.copy()
    text.plain = printable(text.plain)  # as long as it was, so that colours stay where they are
    commands = [at for found in COMMAND.finditer(text.plain) for at in found.span()]
    if not commands:
        return text
    pieces = [
        Text(this_python(), style=one.get_style_at_offset(console_on(), 0)) if number % 2 else one
        for number, one in enumerate(text.divide(commands))
    ]
    return Text("", no_wrap=text.no_wrap, overflow=text.overflow).join(pieces)


def complain(text: str) -> None:
    """Say a line on stderr."""
    print_lines([text], console_on(sys.stderr))
