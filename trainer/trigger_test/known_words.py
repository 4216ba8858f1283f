"""What is known of words beforehand: names, and words that hardly any base model knows; who is named in captions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from foundation.toml_config import Section, read_toml, validate

SHIPPED = Path(__file__).with_name("words.toml")
CAPITALISED = re.compile(r"(?<!\w)[A-Z][a-zà-ÿ'’-]+(?:\s+[A-Z][a-zà-ÿ'’-]+)+(?!\w)")
# Where a proper name stands: no article before it.
NAMELESS_PLACE = re.compile(r"\b(?:photo|picture|portrait|image|photograph) of (?!an? |the )([^\W\d_][\w'’-]*)", re.I)
OF_ANYBODY = (
    "people children men women girls boys person persons someone somebody woman man girl boy child two three several "
    "many her his my their one himself herself that this it us them"
)
NO_NAMES = frozenset(OF_ANYBODY.split())
TITLE_CASE = 0.6  # of a caption's words: where so many begin with a capital, a capital tells nothing


class KnownWords(Section):
    """`rare`: words for a trigger; `given`: given names; `people`: whole names, in writing without blanks."""

    rare: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


@dataclass(frozen=True)
class Named:
    """Somebody named in captions: the words, and in how many captions they stand."""

    words: str
    captions: int


@cache
def read_known_words(path: Path | None = None) -> KnownWords:
    """Those of a file, or those that are shipped. Raises MissingFileError and ConfigurationError."""
    place = path or SHIPPED
    return validate(KnownWords, read_toml(place), place)


def names_in(captions: Sequence[str], trigger: str, class_word: str, known: KnownWords) -> list[Named]:
    """Who is named in captions besides the trigger, the most frequent first.

    Words with capitals in a row, given names and whole names of the list, and what stands where a name would: "photo of
    hina".
    """
    own = {word.casefold() for word in (*trigger.split(), *class_word.split())}
    counts: Counter[str] = Counter()
    spelt: dict[str, str] = {}
    for caption in captions:
        for name in {one.casefold(): one for one in _names(caption, known)}.values():
            if not own.intersection(name.casefold().split()):
                counts[name.casefold()] += 1
                spelt.setdefault(name.casefold(), name)
    return [Named(spelt[name], count) for name, count in counts.most_common()]


def _names(caption: str, known: KnownWords) -> Iterator[str]:
    yield from (name for name in known.people if name in caption)
    words = re.findall(r"[^\W\d_]+", caption)
    capitals = sum(word[0].isupper() for word in words)
    spans = [] if capitals > TITLE_CASE * len(words) and len(words) > 3 else list(CAPITALISED.finditer(caption))
    yield from (match[0] for match in spans)
    within = " ".join(match[0].casefold() for match in spans).split()
    given = set(known.given)
    yield from (word for word in words if word.casefold() in given and word.casefold() not in within)
    for match in NAMELESS_PLACE.finditer(caption):
        word = match[1].casefold()
        if word not in NO_NAMES and word not in within and word not in given and not word.endswith("s"):
            yield match[1]
