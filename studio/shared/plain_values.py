"""Dataclasses to and from JSON, their arrays beside it: for what is kept on the disk. Types are checked, code is never
run: a file that somebody changed is a ValueError. No Streamlit here.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from foundation.typed.json_values import is_list, is_table
from foundation.typed.untyped import untyped

ARRAY = "array"
Arrays = dict[str, np.ndarray]


def plain(value: object, arrays: Arrays) -> object:
    """`value` as JSON can hold it; arrays go into `arrays`, and their names into their places."""
    if isinstance(value, np.ndarray):
        name = f"{ARRAY}{len(arrays)}"
        arrays[name] = value
        return {ARRAY: name}
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
    origin, inner = get_origin(kind), get_args(kind)
    if kind is np.ndarray:
        return _array(value, arrays)
    if is_dataclass(kind):
        return _instance(untyped(kind), value, arrays)
    if origin in (Union, types.UnionType):
        return None if value is None else typed(next(one for one in inner if one is not type(None)), value, arrays)
    if origin is Literal:
        if value not in inner:
            raise ValueError(f"{value!r} is none of {inner}")
        return value
    if origin is not None:
        return _several(origin, inner, value, arrays)
    if not isinstance(value, kind) and not (kind is float and isinstance(value, int)):
        raise ValueError(f"no {kind.__name__}")
    return value


def _instance(kind: Any, value: object, arrays: Mapping[str, np.ndarray]) -> Any:
    hints = _hints(kind)
    if not is_table(value) or set(value) != set(hints):
        raise ValueError(f"no {kind.__name__}")
    return kind(**{name: typed(hint, value[name], arrays) for name, hint in hints.items()})


def _several(origin: Any, inner: tuple[Any, ...], value: object, arrays: Mapping[str, np.ndarray]) -> Any:
    if not is_list(value):
        raise ValueError("no list")
    if not issubclass(origin, Mapping):
        found = [typed(inner[0], one, arrays) for one in value]
        return tuple(found) if origin is tuple else found
    pairs = [one for one in value if is_list(one) and len(one) == 2]
    if len(pairs) < len(value):
        raise ValueError("no table")
    return {typed(inner[0], key, arrays): typed(inner[1], one, arrays) for key, one in pairs}


def _array(value: object, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    name = value.get(ARRAY) if is_table(value) else None
    if not isinstance(name, str) or name not in arrays:
        raise ValueError("no array")
    return arrays[name]


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in fields(kind)}
