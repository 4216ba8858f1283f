"""Phrases that captioners invent, as an editable list by language: found in captions, and taken out of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from foundation.errors import ConfigurationError
from foundation.toml_config import read_toml
from foundation.typed.json_values import is_list, is_table

Kind = Literal["invented", "filler"]
KINDS: tuple[Kind, ...] = ("invented", "filler")
SHIPPED = Path(__file__).with_name("phrases.toml")
# From these letters on nobody parts words by blanks: Chinese, Japanese.
UNSPACED = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f]")
ANY = "*"
_ANY_WORDS = r"(?:[\w'’-]+\s+){0,2}"
# Words that lead to a phrase, and are nothing without it.
LEADING = r"(?:\b(?:and|while|who is|with|und|mit|et|avec|y|con)\s+)?"


@dataclass(frozen=True)
class Phrase:
    """A phrase as the list has it, in which language, and of which kind."""

    text: str
    language: str
    kind: Kind

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What finds it."""
        if UNSPACED.search(self.text):
            return re.compile(re.escape(self.text))
        *leading, last = self.text.split()
        parts = [_ANY_WORDS if word == ANY else rf"{re.escape(word)}\s+" for word in leading]
        return re.compile(rf"(?<!\w){''.join(parts)}{re.escape(last)}(?!\w)", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """A phrase in a caption: from which letter to which, and the words that are there."""

    phrase: Phrase
    start: int
    end: int
    words: str


@dataclass(frozen=True)
class PhraseList:
    """The phrases of a list, longer ones first."""

    phrases: tuple[Phrase, ...]

    def pattern_of(self, kind: Kind) -> re.Pattern[str]:
        """What finds any phrase of a kind, longer ones first."""
        patterns = [one.pattern.pattern for one in self.phrases if one.kind == kind]
        return re.compile("|".join(patterns) or r"(?!)", re.IGNORECASE)

    def found_in(self, caption: str) -> list[Found]:
        """Those that a caption has, in their order; of two that overlap the longer one."""
        taken: list[Found] = []
        for phrase in self.phrases:
            for match in phrase.pattern.finditer(caption):
                if all(match.end() <= one.start or match.start() >= one.end for one in taken):
                    taken.append(Found(phrase, match.start(), match.end(), match[0]))
        return sorted(taken, key=lambda one: one.start)

    def without(self, caption: str) -> str:
        """The caption without them, commas and blanks mended; empty where nothing else was said."""
        if not (found := self.found_in(caption)):
            return caption
        for one in reversed(found):
            before = re.sub(rf"{LEADING}$", "", caption[: one.start], flags=re.IGNORECASE)
            caption = before + caption[one.end :]
        return mended(caption)


def mended(caption: str) -> str:
    """A caption from which words were cut, its blanks and commas in order again."""
    parts = [re.sub(r"\s+", " ", part).strip(" .;") for part in caption.split(",")]
    return ", ".join(part for part in parts if part)


@cache
def read_phrases(path: Path | None = None) -> PhraseList:
    """The list in a file, or the one that is shipped.

    Raises MissingFileError, TextFileError, and ConfigurationError that names what is no list of phrases.
    """
    place = path or SHIPPED
    found = [phrase for language, table in read_toml(place).items() for phrase in _phrases(place, language, table)]
    return PhraseList(tuple(sorted(found, key=lambda one: -len(one.text))))


def _phrases(path: Path, language: str, table: object) -> Iterable[Phrase]:
    if not is_table(table):
        raise ConfigurationError(f'{path}: {language}: write a table for a language, as [en], with invented = ["..."]')
    return [phrase for kind, texts in table.items() for phrase in _of_kind(path, language, kind, texts)]


def _of_kind(path: Path, language: str, kind: str, texts: object) -> Iterable[Phrase]:
    known: Mapping[str, Kind] = {one: one for one in KINDS}
    if kind not in known:
        raise ConfigurationError(f"{path}: {language}.{kind}: unknown; a language has {' and '.join(KINDS)}")
    if not is_list(texts) or not all(map(_is_phrase, texts)):
        raise ConfigurationError(
            f"{path}: {language}.{kind}: write a list of phrases, each in quotes and without a * at its end"
        )
    return [Phrase(" ".join(str(one).split()), language, known[kind]) for one in texts]


def _is_phrase(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip()) and not text.rstrip().endswith(ANY)
