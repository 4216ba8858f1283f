"""What the studio says, in the language of whoever reads it. No Streamlit here.

Words stand in the code in English and are looked up in gettext's catalogues, `catalogues/*.po`, which are read as they
are: nothing is built. Which language a page is drawn in is set at the beginning of each run.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.wording.said import PLACE, Said, filled
from studio.languages.known import ENGLISH, LANGUAGES

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

CATALOGUES = Path(__file__).parent / "catalogues"
_spoken: ContextVar[str] = ContextVar("spoken", default=ENGLISH)


def tr(words: str, /, **values: object) -> str:
    """`words` in the language that is spoken, with `values` in the place of their names in braces.

    A value is never read itself, whatever braces it has; and nothing of it but its text is to be had by a name. One
    that is a sentence of `eval` or `trainer` is said in that language, too.
    """
    return _filled(_catalogue(language()).gettext(words) if words else "", values)


def tr_many(one: str, several: str, count: int, /, **values: object) -> str:
    """The same of words that hang on a number, which is `{count}` in them."""
    return _filled(_catalogue(language()).ngettext(one, several, count), {"count": count, **values})


def retold(said: Said) -> str:
    """A sentence of `eval` or `trainer` in the language that is spoken: its template's translation, with its values."""
    catalogue = _catalogue(language())
    if said.several:
        words = catalogue.ngettext(said.template, said.several, said.number)
    else:
        words = catalogue.gettext(said.template) if said.template else ""
    return _filled(words, said.values)


def noted(words: str) -> str:
    """`words` as they are, which are given to `tr` elsewhere: so that they are found for the catalogues."""
    return words


def language() -> str:
    """The language that is spoken now."""
    return _spoken.get()


def speak(code: str) -> None:
    """Speak a language from now on, in this thread or task; English where it is none of ours."""
    _spoken.set(code if code in LANGUAGES else ENGLISH)


@contextmanager
def speaking(code: str) -> Generator[None]:
    """Speak a language for a while."""
    before = _spoken.set(code if code in LANGUAGES else ENGLISH)
    try:
        yield
    finally:
        _spoken.reset(before)


def _filled(words: str, values: Mapping[str, object]) -> str:
    """Names that have no value stay: what is looked up may be somebody's own text."""
    asked = {*PLACE.findall(words)} if values else ()
    return filled(words, {name: _text(value) for name, value in values.items() if name in asked})


def _text(value: object) -> str:
    return retold(value) if isinstance(value, Said) else str(value)


@cache
def _catalogue(code: str) -> NullTranslations:
    if code == ENGLISH:
        return NullTranslations()
    from babel.messages.mofile import write_mo  # not loaded for who reads English

    compiled = BytesIO()
    write_mo(compiled, read_catalogue(code))
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def read_catalogue(code: str) -> Catalog:
    """A language's catalogue as it is written; of another language than English."""
    from babel.messages.pofile import read_po  # not loaded for who reads English

    with (CATALOGUES / f"{code}.po").open("rb") as text:
        return read_po(text, locale=code)
