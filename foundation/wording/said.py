"""Sentences that know what they were made of. In English they are text like any other; a reader's language is made of
their template and values by whoever shows them (`studio/languages/translation.py`), of which nothing is known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

PLACE = re.compile(r"\{([a-z_]+)\}")


class Said(str):
    """A sentence in English. It prints, compares and goes into JSON as the text that it is.

    `template`: the sentence with names in braces where `values` stand, which may be Said, too. `several`: the template
    of any other count than one, where it hangs on `number`; "" where it hangs on none.
    """

    template: str
    several: str
    number: int
    values: Mapping[str, str]

    def __new__(cls, template: str, several: str, number: int, values: Mapping[str, str]) -> Said:
        """`values` are put in once and never read themselves, whatever braces they have."""
        made = super().__new__(cls, filled(several if several and number != 1 else template, values))
        made.template, made.several, made.number, made.values = template, several, number, values
        return made

    def __reduce__(self) -> tuple[type[Said], tuple[object, ...]]:
        return type(self), (self.template, self.several, self.number, dict(self.values))

    def with_values(self, **values: object) -> Said:
        """The same sentence with values at names that had none."""
        return Said(self.template, self.several, self.number, {**self.values, **_texts(values)})


def say(template: str, /, **values: object) -> Said:
    """A sentence, to be found for the catalogues by this call; a value that is no text is written as it prints."""
    return Said(template, "", 1, _texts(values))


def say_many(one: str, several: str, count: int, /, **values: object) -> Said:
    """The same of a sentence that hangs on a number, which is `{count}` in it."""
    return Said(one, several, count, _texts({"count": count, **values}))


def in_series(parts: Sequence[str]) -> str:
    """Clauses one after another: "a; b; c". "" of none."""
    told = parts[0] if parts else ""
    for part in parts[1:]:
        told = say("{before}; {after}", before=told, after=part)
    return told


def sentences(parts: Sequence[str]) -> str:
    """Sentences one after another. "" of none."""
    told = parts[0] if parts else ""
    for part in parts[1:]:
        told = say("{before} {after}", before=told, after=part)
    return told


def listed(parts: Sequence[str]) -> str:
    """Things beside each other: "a, b, c". "" of none."""
    told = parts[0] if parts else ""
    for part in parts[1:]:
        told = say("{before}, {after}", before=told, after=part)
    return told


def listed_with_and(parts: Sequence[str]) -> str:
    """The same as people say it: "a, b and c". "" of none."""
    if len(parts) < 2:
        return listed(parts)
    return say("{before} and {after}", before=listed(parts[:-1]), after=parts[-1])


def some_of(names: Sequence[str], most: int) -> str:
    """Names in a sentence, of very many the first: "a, b and c", "a, b, c and 2 more"."""
    if len(names) <= most:
        return listed_with_and(names)
    return say("{names} and {count} more", names=listed(names[:most]), count=len(names) - most)


def filled(template: str, values: Mapping[str, str]) -> str:
    """`template` with the values at their names; a name without one stays."""
    return PLACE.sub(lambda name: values.get(name[1], name[0]), template) if values else template


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else str(value) for name, value in values.items()}
