"""The words by which captions are read: a TOML file that users may put their own in the place of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pydantic import Field

from foundation.toml_config import Section, read_toml, validate
from trainer.captioning.unwanted import read_phrases as shipped_phrases

ENGLISH = Path(__file__).parent / "vocabulary" / "en.toml"


class Phrases(Section):
    """`said`: by topic, the words of which one says it."""

    language: str
    """What language its words are of, for people."""
    invented: tuple[str, ...] = ()
    """Phrases that captioners invent, to be confirmed or removed; without any, the list that captioning has."""
    naming: tuple[str, ...] = ()
    """Words that call somebody, which beside the trigger share the naming."""
    said: dict[str, tuple[str, ...]] = Field(default={})
    """Topics that captions should say, each with the words of which one says it."""

    @cached_property
    def _topics(self) -> dict[str, re.Pattern[str]]:
        return {topic: any_of(words) for topic, words in self.said.items()}

    def says(self, caption: str, topic: str) -> bool:
        """Whether a caption says anything of a topic; of one without words, that it does."""
        pattern = self._topics.get(topic)
        return pattern is None or bool(pattern.search(caption))

    def words_said(self, caption: str, topic: str) -> list[str]:
        """What it says of it."""
        pattern = self._topics.get(topic)
        return [] if pattern is None else [" ".join(one.lower().split()) for one in pattern.findall(caption)]

    @cached_property
    def inventions(self) -> re.Pattern[str]:
        """Finds what captioners invent."""
        return any_of(self.invented) if self.invented else shipped_phrases().pattern_of("invented")

    @cached_property
    def names(self) -> re.Pattern[str]:
        """Finds words that call somebody."""
        return any_of(self.naming)


def any_of(words: Sequence[str]) -> re.Pattern[str]:
    """Finds any of the phrases, as whole words, whatever their case and blanks; the longest first."""
    longest = sorted(words, key=len, reverse=True)
    spelt = [r"\s+".join(re.escape(word) for word in phrase.split()) for phrase in longest if phrase.strip()]
    return re.compile(rf"(?<!\w)(?:{'|'.join(spelt)})(?!\w)" if spelt else r"(?!)", re.IGNORECASE)


def read_phrases(path: Path | None) -> Phrases:
    """Those of a file, or English. Raises what reading a configuration raises."""
    place = path or ENGLISH
    return validate(Phrases, read_toml(place), place)
