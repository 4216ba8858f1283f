"""Every key of a configuration, told from its own types: what it takes, what stands without it, one sentence."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from foundation.errors import UserError
from foundation.key_reference.units import Unit

REQUIRED, NOTHING = "required", "none"
LISTS = (list, tuple)
PLAIN: dict[object, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
}
BOUNDS = {Ge: "at least", Gt: "above", Le: "at most", Lt: "below", MultipleOf: "a multiple of"}
NEAREST = 3


class UnknownKeyError(UserError):
    """A key that no table has."""


@dataclass(frozen=True)
class KeyFact:
    """A key by its whole name ("sampler.steps"). `elsewhere`: what other tools call it, by tool."""

    key: str
    takes: str
    default: str
    unit: str
    sentence: str
    elsewhere: Mapping[str, str]

    @property
    def words_elsewhere(self) -> set[str]:
        """What other tools call it, a word each."""
        return {word for words in self.elsewhere.values() for word in words.split(", ")}

    @property
    def in_words(self) -> str:
        """All of it, a line each."""
        lines = [f"{self.key}: {self.sentence}", f"  takes    {self.takes}"]
        lines += [f"  unit     {self.unit}"] if self.unit else []
        lines.append(f"  default  {self.default}")
        lines += [f"  {tool:<9}{word}" for tool, word in self.elsewhere.items()]
        return "\n".join(lines)


def keys_of(
    kind: type[BaseModel],
    elsewhere: Mapping[str, Mapping[str, str]] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> list[KeyFact]:
    """The keys of a configuration in its own order.

    `elsewhere`: by tool, what it calls which key. `defaults`: what stands in place of a key's own default.
    """
    return [
        KeyFact(
            key,
            takes(field),
            (defaults or {}).get(key, _default(field)),
            next((one.name for one in _marks(field) if isinstance(one, Unit)), ""),
            " ".join((field.description or "").split()),
            {tool: words[key] for tool, words in (elsewhere or {}).items() if key in words},
        )
        for key, field in _fields(kind, "")
    ]


def explained(keys: list[KeyFact], asked: str) -> str:
    """What is known of a key, by its whole name, of all that are called so by its own, or by another tool's word.

    Raises UnknownKeyError, with those that are spelt nearly so.
    """
    found = [one for one in keys if asked in (one.key, one.key.rpartition(".")[2])]
    found = found or [one for one in keys if asked in one.words_elsewhere]
    if not found:
        last = asked.rpartition(".")[2]
        alike = get_close_matches(last, [one.key.rpartition(".")[2] for one in keys], n=NEAREST, cutoff=0.0)
        near = [one.key for word in dict.fromkeys(alike) for one in keys if one.key.rpartition(".")[2] == word][
            :NEAREST
        ]
        raise UnknownKeyError(f"`{asked}`: no such key; near are {', '.join(near)}")
    return "\n".join(one.in_words for one in found)


def takes(field: FieldInfo) -> str:
    """What a key takes, in words."""
    bounds = [f"{words} {_bound(one)}" for one in _marks(field) for kind, words in BOUNDS.items() if type(one) is kind]
    return ", ".join([_words(field.annotation), *dict.fromkeys(bounds)])


def _bound(mark: Any) -> str:
    (limit,) = astuple(mark)
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def _fields(kind: type[BaseModel], start: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in kind.model_fields.items():
        key = f"{start}{field.alias or name}"
        if (inner := _table_in(field.annotation)) is None:
            yield key, field
            continue
        if _is_list(field.annotation):
            yield key, field
        yield from _fields(inner, f"{key}.")


def _table_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _table_in(part))), None)


def _is_list(annotation: object) -> bool:
    return get_origin(annotation) in LISTS


def _marks(field: FieldInfo) -> list[object]:
    """What the field's type says beside the type, also within "or none"."""
    return [*field.metadata, *_marks_in(field.annotation)]


def _marks_in(annotation: object) -> Iterator[object]:
    if get_origin(annotation) is Annotated:
        for mark in get_args(annotation)[1:]:
            yield from mark.metadata if isinstance(mark, FieldInfo) else (mark,)
    if get_origin(annotation) not in LISTS:
        for part in get_args(annotation):
            yield from _marks_in(part)


def _words(annotation: object) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(parts[0])
    if origin is Literal:
        return " or ".join(as_toml(part) for part in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(part) for part in parts if part is not type(None)))
    if origin in LISTS:
        return f"a list of {_words(parts[0])}"
    if origin is dict or (_table_in(annotation) is annotation):
        return "a table"
    return PLAIN.get(annotation, "text")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return REQUIRED
    value = field.get_default(call_default_factory=True)
    return NOTHING if value is None or value in ([], (), {}) else as_toml(value)


def as_toml(value: object) -> str:
    """A default as one would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        listed = cast("Sequence[object]", value)
        return f"[{', '.join(map(as_toml, listed))}]"
    if isinstance(value, BaseModel):
        return "{}"
    return f'"{value}"' if isinstance(value, str | Path) else str(value)
