"""What a terminal shows of a command's output: as much of its language as ours speaks, and no more."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

# Colours, erasing a line, up and down, back to the line's begin; all other orders are passed over.
TOKEN = re.compile(
    r"\x1b\[(?P<codes>[?0-9;]*)(?P<letter>[A-Za-z])|(?P<newline>\n)|(?P<back>\r)|(?P<text>[^\x1b\r\n]+)|."
)


@dataclass(frozen=True)
class Look:
    """How a letter looks: ANSI's number of its colour, None for the ink."""

    colour: int | None = None
    is_bold: bool = False
    is_dim: bool = False


Letter = tuple[str, Look]


@dataclass
class Screen:
    """Lines of letters, `width` wide at most; `feed` it what the command wrote."""

    width: int
    lines: list[list[Letter]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    look: Look = Look()

    def feed(self, output: str) -> None:
        """Take in a piece of output."""
        for token in TOKEN.finditer(output):
            if token["newline"]:
                self._down(1)
            elif token["back"]:
                self.column = 0
            elif token["text"]:
                for letter in token["text"]:
                    self._put(letter)
            elif token["letter"]:
                self._obey(token["letter"], token["codes"])

    def text(self) -> str:
        """What can be read."""
        return "\n".join("".join(letter for letter, _ in line).rstrip() for line in self.lines)

    def _put(self, letter: str) -> None:
        if self.column >= self.width:
            self._down(1)
            self.column = 0
        line = self.lines[self.row]
        line += [(" ", Look())] * (self.column + 1 - len(line))
        line[self.column] = (letter, self.look)
        self.column += 1

    def _down(self, count: int) -> None:
        self.row = max(0, self.row + count)
        while self.row >= len(self.lines):
            self.lines.append([])

    def _obey(self, letter: str, codes: str) -> None:
        if letter == "m":
            for code in codes.split(";"):
                self.look = _looking(self.look, int(code or 0))
        elif letter == "A":
            self._down(-int(codes or 1))
        elif letter == "B":
            self._down(int(codes or 1))
        elif letter == "K":
            self.lines[self.row] = []


def _looking(look: Look, code: int) -> Look:
    if code == 0:
        return Look()
    if code in (1, 2):
        return replace(look, is_bold=code == 1, is_dim=code == 2)
    if code == 22:
        return replace(look, is_bold=False, is_dim=False)
    return replace(look, colour=code % 10) if 30 <= code <= 37 or 90 <= code <= 97 else replace(look, colour=None)
