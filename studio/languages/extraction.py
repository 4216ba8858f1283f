"""`python -m studio.languages.extraction`: brings the catalogues up to what the studio says now.

New words are added without a translation, words that are said no more are dropped, translations are kept.
"""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from warnings import catch_warnings, simplefilter

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
# Neither tells anybody anything that git does not, and both would change with each run.
DAY = datetime(2026, 11, 28, tzinfo=UTC)


def words_said(studio: Path = STUDIO) -> Catalog:
    """All words that the studio's code gives to `tr`, `tr_many` and `noted`, without translations."""
    found = Catalog(charset="utf-8")
    for path in sorted(studio.rglob("*.py")):
        place = path.relative_to(studio.parent).as_posix()
        with catch_warnings():
            simplefilter("ignore")  # of values that are f-strings: only the words before them are for translators
            for _, message, _, _ in extract_from_file("python", path, keywords=KEYWORDS):
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
    catalogue.project, catalogue.version = "LoRA studio", "0.1"
    catalogue.creation_date = catalogue.revision_date = DAY
    written = BytesIO()
    write_po(written, catalogue, width=110, include_lineno=False)
    return written.getvalue()


def main() -> None:
    """Write all catalogues."""
    said = words_said()
    for code in LANGUAGES:
        if code != ENGLISH:
            (CATALOGUES / f"{code}.po").write_bytes(brought_up(catalogue_of(code), said))


if __name__ == "__main__":
    main()
