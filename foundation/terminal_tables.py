"""Tables in a terminal: as many columns as its width holds, no cell ever broken, no name ever cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.errors import UserError
from foundation.printing import printable

if TYPE_CHECKING:
    from rich.text import Text

NOT_MEASURED = "-"
# A column of this worth is never dropped from a narrow terminal.
KEPT = 9
GAP = "  "
INDENT = "     "


class UnknownColumnError(UserError):
    """A column that a table does not have."""


@dataclass(frozen=True)
class TableColumn:
    """A heading over one cell a row. A narrow terminal drops low `worth` first.

    A column of names is never dropped; where it leaves no room for what is KEPT, names stand on lines of their own,
    behind what `leads`. `keys` are what else the column is called where it is asked for; the heading may be empty.
    """

    heading: str
    cells: Sequence[str]
    is_right: bool = False
    worth: int = KEPT
    is_name: bool = False
    leads: bool = False
    keys: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Of its longest cell, in a terminal's characters."""
        from rich.cells import cell_len

        return max(map(cell_len, (self.heading, *map(one_line, self.cells))))

    def padded(self, text: str) -> str:
        """`text` as it stands in this column."""
        from rich.cells import cell_len

        text = one_line(text)
        space = " " * (self.width - cell_len(text))
        return space + text if self.is_right else text + space


@dataclass(frozen=True)
class Row:
    """How a row looks, and what is said below it."""

    style: str = ""
    notes: Sequence[str] = ()


def one_line(text: str) -> str:
    """A cell's text."""
    return printable(text).replace("\n", " ")


def asked_columns(columns: Sequence[TableColumn], asked: str) -> list[TableColumn]:
    """Those that `asked` names, by comma, in that order. Raises UnknownColumnError."""
    known = {_plain(name): column for column in columns for name in (column.heading, *column.keys) if name}
    names = [name for name in map(_plain, asked.split(",")) if name]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        listed = ", ".join(column.heading or column.keys[0] for column in columns if column.heading or column.keys)
        what = f"no column is called {', '.join(unknown)}" if unknown else "names no column"
        raise UnknownColumnError(f"--columns: {what}; there are: {listed}")
    found = [known[name] for name in names]
    return [column for at, column in enumerate(found) if not any(column is earlier for earlier in found[:at])]


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").lower().split())


def fitting(columns: Sequence[TableColumn], width: int) -> list[TableColumn]:
    """The columns without those of least worth, until what is left fits: a figure cut in two misleads."""
    shown = _dropped(columns, width)
    if line_width(shown) <= width:
        return shown
    figures = _dropped([column for column in columns if not column.is_name], width)
    return [column for column in columns if column.is_name or column in figures]


def _dropped(columns: Sequence[TableColumn], width: int) -> list[TableColumn]:
    shown = list(columns)
    while line_width(shown) > width and min(column.worth for column in shown) < KEPT:
        shown.remove(min(shown, key=lambda column: column.worth))
    return shown


def line_width(columns: Sequence[TableColumn]) -> int:
    """How many characters a row takes."""
    return sum(column.width for column in columns) + len(GAP) * (len(columns) - 1)


def table_lines(columns: Sequence[TableColumn], rows: Sequence[Row], width: int) -> list[Text]:
    """Headings and rows in at most `width` characters, but for a name or a note's word that is longer."""
    from rich.text import Text

    is_stacked = line_width(columns) > width and any(column.is_name for column in columns)
    headed = [column for column in columns if not (is_stacked and column.is_name)]
    headings = GAP.join(column.padded(column.heading) for column in headed).rstrip()
    lines = [Text(headings, style="bold", no_wrap=True)]
    for at, row in enumerate(rows):
        cells = _stacked(columns, at) if is_stacked else [_inline(columns, at)]
        lines += [Text(line, style=row.style, no_wrap=True) for line in cells]
        lines += [Text(one, style="dim", no_wrap=True) for note in row.notes for one in hanging(note, INDENT, width)]
    return lines


def _inline(columns: Sequence[TableColumn], at: int) -> str:
    return GAP.join(column.padded(column.cells[at]) for column in columns).rstrip()


def _stacked(columns: Sequence[TableColumn], at: int) -> list[str]:
    """What leads and the names on a line, the figures below."""
    leading = [column.padded(column.cells[at]) for column in columns if column.leads]
    names = " + ".join(filter(None, (one_line(column.cells[at]) for column in columns if column.is_name)))
    blank = [" " * len(text) for text in leading]
    figures = [column.padded(column.cells[at]) for column in columns if not (column.leads or column.is_name)]
    return [GAP.join([*leading, names]).rstrip(), GAP.join([*blank, *figures]).rstrip()]


def pair_lines(pairs: Mapping[str, str], width: int) -> list[Text]:
    """A heading and a text a line; a text that is longer goes on below its beginning."""
    from rich.text import Text

    room = max((len(heading) for heading in pairs), default=0) + len(GAP)
    lines: list[Text] = []
    for heading, text in pairs.items():
        for number, one in enumerate(hanging(text, " " * room, width) or [" " * room]):
            line = Text(heading.ljust(room) if number == 0 else " " * room, style="", no_wrap=True)
            line.stylize("dim")
            lines.append(line.append(one[room:], style="not dim"))
    return lines


def hanging(text: str, indent: str, width: int) -> list[str]:
    """A text in lines behind `indent`, broken between words alone."""
    from rich.cells import cell_len

    lines: list[str] = []
    for word in printable(text).split():
        longer = f"{lines[-1]} {word}" if lines else ""
        if lines and cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(indent + word)
    return lines
