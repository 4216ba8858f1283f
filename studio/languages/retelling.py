"""What `eval` and `trainer` say, in the reader's language. No Streamlit here.

A sentence at hand knows what it was made of. One that was read from a file (a job's answer, a run's record, a store's
remarks) is text alone: it is held against the templates of all that these rooms say, and taken apart by the one that it
fits. What fits none stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from foundation.wording.said import PLACE, Said, in_series, listed
from studio.languages.known import ENGLISH, LANGUAGES
from studio.languages.translation import language, read_catalogue, retold

# Letters that a template must have beside its values, to be told from somebody's own words.
FEWEST_LETTERS = 3
# Fit any two things with "and" between: what they join must be said here too.
ANY_TWO = {"{before} and {after}", "{before}, and {after}"}
NUMBER = re.compile(r"[-+]?[0-9][0-9.,e+-]*")
NUMBERS = {"count", "total", "number", "step"}
# Names at which words of ours stand in a sentence of a file; what stands at all others is never looked up.
OURS = {
    "after", "before", "beneath", "colour", "corner", "done", "faces", "figures", "found", "framed", "assumed", "how",
    "meaning", "names", "offered", "part", "parts", "pictures", "pixels", "reason", "remark", "role", "room",
    "settings", "topic", "verdict", "way", "what", "when", "where", "why",
}  # fmt: skip


@dataclass(frozen=True)
class Template:
    """Something that is said of one, and of several (""): `parts` are the texts between the names of whichever of them
    is meant, one more than there are `names`."""

    one: str
    several: str
    parts: tuple[str, ...]
    names: tuple[str, ...]

    def values_in(self, text: str) -> dict[str, str] | None:
        """What stands in `text` at the names, each as short as may be; None where it does not fit."""
        first, *between = self.parts
        if not text.startswith(first):
            return None
        if not between:
            return {} if text == first else None
        *between, last = between
        at, end, found = len(first), len(text) - len(last), list[str]()
        for part in between:
            begin = text.find(part, at, end)
            if begin < 0:
                return None
            found.append(text[at:begin])
            at = begin + len(part)
        if at > end or not text.endswith(last):
            return None
        values = {name: value for name, value in zip(self.names, [*found, text[at:end]], strict=True)}
        return values if all(NUMBER.fullmatch(values[name]) for name in NUMBERS & values.keys()) else None


def told(text: str) -> str:
    """`text` of `eval` or `trainer` in the language that is spoken."""
    if language() == ENGLISH:
        return str(text)
    return retold(text) if isinstance(text, Said) else _told(str(text))


@lru_cache(maxsize=4096)
def understood(text: str) -> Said | None:
    """What a text of a file was made of; None where it is nothing that is said here. Clauses that are all said here are
    clauses, though the first might stand at a template's end and swallow them."""
    return _whole().get(text) or _clauses(text) or _fitted(text)


def _clauses(text: str) -> Said | None:
    for mark, joined in (("; ", in_series), (", ", listed)):
        known: list[Said] = []
        for part in text.split(mark) if mark in text else ():
            if (said := understood(part)) is None:
                break
            known.append(said)
        else:
            if len(known) > 1 and isinstance(told := joined(known), Said):
                return told
    return None


def _fitted(text: str) -> Said | None:
    for one in _templates():
        if (found := one.values_in(text)) is not None:
            values = {name: _value(name, value) for name, value in found.items()}
            if one.one in ANY_TWO and not all(isinstance(value, Said) for value in values.values()):
                continue
            count = values.get("count", "")
            return Said(one.one, one.several, int(count) if count.isdigit() else 1, values)
    return None


def tells_itself(words: str) -> bool:
    """Whether a text may be told by a template alone: not by one that any text fits, nor by one whose values touch."""
    return words not in ANY_TWO and "}{" not in words and sum(map(str.isalpha, PLACE.sub("", words))) >= FEWEST_LETTERS


def _told(text: str) -> str:
    said = understood(text) if text else None
    return text if said is None else retold(said)


def _value(name: str, value: str) -> str:
    return (understood(value) or value) if name in OURS else value


@cache
def _whole() -> dict[str, Said]:
    """What is said without any value, by itself."""
    return {one.one: Said(one.one, "", 1, {}) for one in _templates() if not one.names and not one.several}


@cache
def _templates() -> tuple[Template, ...]:
    """Those with the most letters of their own first: they say the most of what fits them."""
    return tuple(sorted(_all_templates(), key=lambda one: -sum(map(len, one.parts))))


def _all_templates() -> Iterator[Template]:
    code = next(code for code in LANGUAGES if code != ENGLISH)
    for message in read_catalogue(code):
        if message.id and any(not place.startswith("studio/") for place, _ in message.locations):
            one, several = message.id if isinstance(message.id, list | tuple) else (message.id, "")
            for words in (one, several):
                if tells_itself(words) or words in ANY_TWO:
                    split = PLACE.split(words)  # what is between names, and the names
                    yield Template(one, several, tuple(split[::2]), tuple(split[1::2]))
