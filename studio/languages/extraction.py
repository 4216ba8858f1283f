"""`python -m studio.languages.extraction`: brings the catalogues up to what the studio says now.

New words are added without a translation, words that are said no more are dropped, translations are kept.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from studio.languages.known import ENGLISH, LANGUAGES
from studio.languages.translation import CATALOGUES

STUDIO = Path(__file__).resolve().parents[1]
KEYWORDS: dict[str, tuple[int, ...]] = {"tr": (1,), "tr_many": (1, 2), "noted": (1,)}
HEADER = (
    "# What the studio says. `make languages` keeps this file up to date; translations are written into it by hand."
)
# What babel writes at the top and a program reads; the rest are dates, names and versions, which git knows.
KEPT_AT_THE_TOP = ("Language:", "Plural-Forms:", "MIME-Version:", "Content-Type:", "Content-Transfer-Encoding:")


def calls_in(
    file: IO[bytes], keywords: Collection[str], comment_tags: Collection[str], options: object
) -> Iterator[tuple[int, str, tuple[str | None, ...], list[str]]]:
    """Babel's way to read a file. Its own reads tokens, and so sees no call within an f-string."""
    calls = [one for one in ast.walk(ast.parse(file.read())) if isinstance(one, ast.Call)]
    for call in sorted(calls, key=lambda one: (one.lineno, one.col_offset)):
        if isinstance(call.func, ast.Name) and call.func.id in keywords:
            yield call.lineno, call.func.id, tuple(map(_literal, call.args)), []


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def words_said(studio: Path = STUDIO) -> Catalog:
    """All words that the studio's code gives to `tr`, `tr_many` and `noted`, without translations."""
    found = Catalog(charset="utf-8")
    for path in sorted(studio.rglob("*.py")):
        place = path.relative_to(studio.parent).as_posix()
        for _, message, _, _ in extract_from_file(calls_in, path, keywords=KEYWORDS):
            found.add(message, locations=[(place, 0)])
    return found


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
