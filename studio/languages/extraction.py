"""`python -m studio.languages.extraction`: brings the catalogues up to what the studio says now.

New words are added without a translation, words that are said no more are dropped, translations are kept.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from foundation.text_files import read_text
from studio.languages.known import ENGLISH, LANGUAGES
from studio.languages.translation import CATALOGUES

STUDIO = Path(__file__).resolve().parents[1]
# Rooms below it, whose sentences it shows.
ROOMS = ("base_models", "eval", "foundation", "trainer")
# How many of its arguments are words.
KEYWORDS = {"tr": 1, "tr_many": 2, "noted": 1, "say": 1, "say_many": 2}
HEADER = (
    "# What the studio says. `make languages` keeps this file up to date; translations are written into it by hand."
)
# What babel writes at the top and a program reads; the rest are dates, names and versions, which git knows.
KEPT_AT_THE_TOP = ("Language:", "Plural-Forms:", "MIME-Version:", "Content-Type:", "Content-Transfer-Encoding:")


def words_said(studio: Path = STUDIO) -> Catalog:
    """All words that the studio's code gives to `tr`, `tr_many` and `noted`, and the rooms below it to `say` and
    `say_many`, without translations.

    Babel's own way reads a file token by token, and so sees no call within an f-string.
    """
    found = Catalog(charset="utf-8")
    folders = (studio, *(studio.parent / room for room in ROOMS))
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        place = path.relative_to(studio.parent).as_posix()
        for one, *more in _words_in(path):
            found.add((one, *more) if more else one, locations=[(place, 0)])
    return found


def _words_in(path: Path) -> Iterator[list[str]]:
    calls = [one for one in ast.walk(ast.parse(read_text(path))) if isinstance(one, ast.Call)]
    for call in sorted(calls, key=lambda one: (one.lineno, one.col_offset)):
        count = KEYWORDS.get(call.func.id, 0) if isinstance(call.func, ast.Name) else 0
        words = _literals(call.args[:count])
        if count and len(words) == count:
            yield words


def _literals(nodes: Sequence[ast.expr]) -> list[str]:
    return [one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def catalogue_of(code: str) -> Catalog:
    """A language's catalogue as it is kept; an empty one where there is none yet."""
    path = CATALOGUES / f"{code}.po"
    return read_po(BytesIO(path.read_bytes() if path.exists() else b""), locale=code)


def brought_up(catalogue: Catalog, said: Catalog) -> bytes:
    """A catalogue's file with the words that are said and no others."""
    catalogue.update(said, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.fuzzy = False
    catalogue.header_comment = HEADER
    written = BytesIO()
    write_po(written, catalogue, width=110, include_lineno=False)
    top, blank, words = written.getvalue().decode().partition("\n\n")
    lines = (one for one in top.split("\n") if one[:1] != '"' or one[1:].startswith(KEPT_AT_THE_TOP))
    return "\n".join(lines).encode() + f"{blank}{words}".encode()


def main() -> None:
    """Write all catalogues."""
    said = words_said()
    for code in LANGUAGES:
        if code != ENGLISH:
            (CATALOGUES / f"{code}.po").write_bytes(brought_up(catalogue_of(code), said))


if __name__ == "__main__":
    main()
