"""Dataclasses to and from JSON, their arrays and sentences beside it: for what is kept on the disk. Types are checked,
code is never run: a file that somebody changed is a ValueError. No Streamlit here.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from foundation.typed.json_values import is_list, is_table
from foundation.typed.untyped import untyped
from foundation.wording.said import Said

ARRAY, SAID = "array", "said"
Arrays = dict[str, np.ndarray]


@dataclass
class Beside:
    """What values name: arrays, and sentences, each of which stands once, for a large ranking says the same of a
    thousand rows. `entries` are the sentences as JSON has them, after those that they are made of."""

    arrays: Arrays = field(default_factory=dict)
    entries: list[object] = field(default_factory=list)
    sentences: list[Said] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def place_of(self, sentence: Said) -> int:
        """Where a sentence stands, from now on."""
        values = [[name, plain(one, self)] for name, one in sentence.values.items()]
        entry = [sentence.template, sentence.several, sentence.number, values]
        if (place := self._places.setdefault(json.dumps(entry), len(self.entries))) == len(self.entries):
            self.entries.append(entry)
        return place


Reader = Callable[[object, Beside], Any]


def read_beside(arrays: Arrays, entries: object) -> Beside:
    """What `plain` put beside the values. Raises ValueError where it is no such thing."""
    beside = Beside(arrays)
    for entry in entries if is_list(entries) else ():
        beside.sentences.append(_sentence(entry, beside))
    return beside


def plain(value: object, beside: Beside) -> object:
    """`value` as JSON can hold it; arrays and sentences go into `beside`, and their names into their places."""
    if isinstance(value, np.ndarray):
        name = f"{ARRAY}{len(beside.arrays)}"
        beside.arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, Said):
        return {SAID: beside.place_of(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    several = untyped(value)
    if isinstance(value, Mapping):
        return [[plain(key, beside), plain(one, beside)] for key, one in several.items()]
    if isinstance(value, Sequence):
        return [plain(one, beside) for one in several]
    return {one.name: plain(getattr(value, one.name), beside) for one in fields(several)}


def typed(kind: Any, value: object, beside: Beside) -> Any:
    """What `plain` made, as `kind` again. Raises ValueError where it is no such thing."""
    return _reader(kind)(value, beside)


@cache
def _reader(kind: Any) -> Reader:
    """What reads values of a type: worked out once, for a large ranking has a quarter of a million of them."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in BY_ITSELF:
        return BY_ITSELF[kind]
    if is_dataclass(kind):
        return _reader_of_instances(untyped(kind))
    if origin in (Union, types.UnionType):
        read = _reader(next(one for one in inner if one is not type(None)))
        return lambda value, beside: None if value is None else read(value, beside)
    if origin is Literal:
        return _reader_of_choices(inner)
    if origin is not None:
        return _reader_of_several(origin, inner)
    return _reader_of_values((kind, int) if kind is float else (kind,), kind.__name__)


def _sentence(entry: object, beside: Beside) -> Said:
    """A sentence, of text and of sentences before it."""
    if not is_list(entry) or len(entry) != 4:
        raise ValueError("no sentence")
    template, several, number, values = entry
    if not isinstance(template, str) or not isinstance(several, str) or not isinstance(number, int):
        raise ValueError("no sentence")
    pairs = [one for one in (values if is_list(values) else []) if is_list(one) and len(one) == 2]
    return Said(template, several, number, {str(name): _text(one, beside) for name, one in pairs})


def _text(value: object, beside: Beside) -> str:
    return value if isinstance(value, str) else _said(value, beside)


def _said(value: object, beside: Beside) -> Said:
    place = value.get(SAID) if is_table(value) else None
    if not isinstance(place, int) or not 0 <= place < len(beside.sentences):
        raise ValueError("no text")
    return beside.sentences[place]


def _reader_of_values(kinds: tuple[type, ...], name: str) -> Reader:
    def read(value: object, beside: Beside) -> object:
        if not isinstance(value, kinds):
            raise ValueError(f"no {name}")
        return value

    return read


def _reader_of_choices(choices: tuple[Any, ...]) -> Reader:
    def read(value: object, beside: Beside) -> object:
        if value not in choices:
            raise ValueError(f"{value!r} is none of {choices}")
        return value

    return read


def _reader_of_instances(kind: Any) -> Reader:
    def read(value: object, beside: Beside) -> Any:
        readers = _readers_of_fields(kind)  # asked for late: a type may hold others of itself
        if not is_table(value) or value.keys() != readers.keys():
            raise ValueError(f"no {kind.__name__}")
        return kind(**{name: reader(value[name], beside) for name, reader in readers.items()})

    return read


@cache
def _readers_of_fields(kind: Any) -> dict[str, Reader]:
    hints = get_type_hints(kind)
    return {one.name: _reader(hints[one.name]) for one in fields(kind)}


def _reader_of_several(origin: Any, inner: tuple[Any, ...]) -> Reader:
    first, last = _reader(inner[0]), _reader(inner[-1 if issubclass(origin, Mapping) else 0])

    def read(value: object, beside: Beside) -> Any:
        if not is_list(value):
            raise ValueError("no list")
        if not issubclass(origin, Mapping):
            found = [first(one, beside) for one in value]
            return tuple(found) if origin is tuple else found
        pairs = [one for one in value if is_list(one) and len(one) == 2]
        if len(pairs) < len(value):
            raise ValueError("no table")
        return {first(key, beside): last(one, beside) for key, one in pairs}

    return read


def _array(value: object, beside: Beside) -> np.ndarray:
    name = value.get(ARRAY) if is_table(value) else None
    if not isinstance(name, str) or name not in beside.arrays:
        raise ValueError("no array")
    return beside.arrays[name]


BY_ITSELF: dict[Any, Reader] = {np.ndarray: _array, str: _text, Said: _said}
