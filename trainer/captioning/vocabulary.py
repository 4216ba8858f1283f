"""What can be said of a picture, by slots of the template: an editable file; how it is put to CLIP and to taggers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from foundation.errors import ConfigurationError
from foundation.toml_config import Section, read_toml, validate

SHIPPED = Path(__file__).with_name("vocabulary.toml")
NOTHING = ""
# Slots that are no group's.
OWN_SLOTS = ("trigger", "class", "sentence", "tags")
Phrases = tuple[str, ...]


class Group(Section):
    """One slot: phrases of which one holds, or with `nothing` perhaps none."""

    phrases: dict[str, Phrases] = Field(min_length=1)
    """What may be said, each with what taggers call it."""
    region: Literal["whole", "face"] = "whole"
    """Where CLIP looks."""
    nothing: bool = False
    """Whether none of them may hold."""
    colours: Phrases = ()
    """Said before each phrase."""
    unsure: str = ""
    """With colours: what is said where the colour is sure and the thing is not."""
    least: float = Field(default=0.5, ge=0, le=1)
    """How sure the vote has to be for a phrase to be said."""

    @field_validator("phrases")
    @classmethod
    def _are_words(cls, phrases: dict[str, Phrases]) -> dict[str, Phrases]:
        if any(not phrase.strip() or "," in phrase for phrase in phrases):
            raise ValueError("a phrase is words without a comma")
        return phrases

    @cached_property
    def options(self) -> Mapping[str, Phrases]:
        """Whatever the slot may come to, with what taggers call it; nothing, where it may, first."""
        named = {phrase: (phrase, *others) for phrase, others in self.phrases.items()}
        if self.colours:
            named = {
                f"{colour} {phrase}": tuple(f"{colour} {one}" for one in names)
                for colour, (phrase, names) in product(self.colours, named.items())
            }
        return {NOTHING: (), **named} if self.nothing else named

    def colour_of(self, option: str) -> str:
        """The colour that an option begins with; "" where it has none."""
        return next((colour for colour in self.colours if option.startswith(f"{colour} ")), "")


Vocabulary = Mapping[str, Group]


@cache
def read_vocabulary(path: Path | None = None) -> Vocabulary:
    """Of a file, or the one that is shipped.

    Raises MissingFileError, TextFileError, and ConfigurationError that names what is no group.
    """
    place = path or SHIPPED
    tables = read_toml(place)
    if not tables:
        raise ConfigurationError(f"{place}: is empty; write a table for each slot, as [expression]")
    if taken := [slot for slot in tables if slot in OWN_SLOTS]:
        raise ConfigurationError(f"{place}: [{taken[0]}] is a slot of its own; call the group something else")
    return {slot: _group(place, slot, table) for slot, table in tables.items()}


def _group(path: Path, slot: str, table: object) -> Group:
    whole: dict[str, object] = {"group": table}
    try:
        return validate(_Holder, whole, path).group
    except ConfigurationError as error:
        raise ConfigurationError(str(error).replace("group.", f"{slot}.").replace("group:", f"{slot}:")) from error


class _Holder(Section):
    group: Group
