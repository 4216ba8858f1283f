"""Dataclasses to and from JSON, their arrays beside it: for what is kept on the disk. Types are checked, code is never
run: a file that somebody changed is a ValueError. No Streamlit here.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from foundation.typed.json_values import is_list, is_table
from foundation.typed.untyped import untyped
from foundation.wording.said import Said

ARRAY, SAID = "array", "said"
Arrays = dict[str, np.ndarray]
Reader = Callable[[object, Mapping[str, np.ndarray]], Any]


def plain(value: object, arrays: Arrays) -> object:
    """`value` as JSON can hold it; arrays go into `arrays`, and their names into their places."""
    if isinstance(value, np.ndarray):
        name = f"{ARRAY}{len(arrays)}"
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, Said):
        values = [[name, plain(one, arrays)] for name, one in value.values.items()]
        return {SAID: [value.template, value.several, value.number, values]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    several = untyped(value)
    if isinstance(value, Mapping):
        return [[plain(key, arrays), plain(one, arrays)] for key, one in several.items()]
    if isinstance(value, Sequence):
        return [plain(one, arrays) for one in several]
    return {one.name: plain(getattr(value, one.name), arrays) for one in fields(several)}


def typed(kind: Any, value: object, arrays: Mapping[str, np.ndarray]) -> Any:
    """What `plain` made, as `kind` again. Raises ValueError where it is no such thing."""
    return _reader(kind)(value, arrays)


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
        return lambda value, arrays: None if value is None else read(value, arrays)
    if origin is Literal:
        return _reader_of_choices(inner)
    if origin is not None:
        return _reader_of_several(origin, inner)
    return _reader_of_values((kind, int) if kind is float else (kind,), kind.__name__)


def _text(value: object, arrays: Mapping[str, np.ndarray]) -> str:
    """Text, or a sentence with what it is made of."""
    if isinstance(value, str):
        return value
    parts = value.get(SAID) if is_table(value) else None
    if not is_list(parts) or len(parts) != 4:
        raise ValueError("no text")
    template, several, number, values = parts
    if not isinstance(template, str) or not isinstance(several, str) or not isinstance(number, int):
        raise ValueError("no sentence")
    pairs = [one for one in (values if is_list(values) else []) if is_list(one) and len(one) == 2]
    return Said(template, several, number, {str(name): _text(one, arrays) for name, one in pairs})


def _reader_of_values(kinds: tuple[type, ...], name: str) -> Reader:
    def read(value: object, arrays: Mapping[str, np.ndarray]) -> object:
        if not isinstance(value, kinds):
            raise ValueError(f"no {name}")
        return value

    return read


def _reader_of_choices(choices: tuple[Any, ...]) -> Reader:
    def read(value: object, arrays: Mapping[str, np.ndarray]) -> object:
        if value not in choices:
            raise ValueError(f"{value!r} is none of {choices}")
        return value

    return read


def _reader_of_instances(kind: Any) -> Reader:
    def read(value: object, arrays: Mapping[str, np.ndarray]) -> Any:
        readers = _readers_of_fields(kind)  # asked for late: a type may hold others of itself
        if not is_table(value) or value.keys() != readers.keys():
            raise ValueError(f"no {kind.__name__}")
        return kind(**{name: reader(value[name], arrays) for name, reader in readers.items()})

    return read


@cache
def _readers_of_fields(kind: Any) -> dict[str, Reader]:
    hints = get_type_hints(kind)
    return {one.name: _reader(hints[one.name]) for one in fields(kind)}


def _reader_of_several(origin: Any, inner: tuple[Any, ...]) -> Reader:
    first, last = _reader(inner[0]), _reader(inner[-1 if issubclass(origin, Mapping) else 0])

    def read(value: object, arrays: Mapping[str, np.ndarray]) -> Any:
        if not is_list(value):
            raise ValueError("no list")
        if not issubclass(origin, Mapping):
            found = [first(one, arrays) for one in value]
            return tuple(found) if origin is tuple else found
        pairs = [one for one in value if is_list(one) and len(one) == 2]
        if len(pairs) < len(value):
            raise ValueError("no table")
        return {first(key, arrays): last(one, arrays) for key, one in pairs}

    return read


def _array(value: object, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    name = value.get(ARRAY) if is_table(value) else None
    if not isinstance(name, str) or name not in arrays:
        raise ValueError("no array")
    return arrays[name]


def _said(value: object, arrays: Mapping[str, np.ndarray]) -> Said:
    if not isinstance(found := _text(value, arrays), Said):
        raise ValueError("no sentence")
    return found


BY_ITSELF: dict[Any, Reader] = {np.ndarray: _array, str: _text, Said: _said}
