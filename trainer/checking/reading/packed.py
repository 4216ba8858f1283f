"""Measured values <-> bytes: a line of JSON, then the arrays as they lie in memory."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, cast

import numpy as np

from foundation.typed.json_values import is_list, is_table, parse_json
from trainer.checking.measures.measured import FaceMeasured, Measured

# Raise it when the same picture comes to other values.
VERSION = 4
FACE = "face"
TUPLES = ("size", "box", "points")


def packed(one: Measured) -> bytes:
    """Its bytes."""
    arrays: list[bytes] = []
    head = _plain(one, arrays)
    head[FACE] = None if one.face is None else _plain(one.face, arrays)
    return b"\n".join([json.dumps(head).encode(), b"".join(arrays)])


def unpacked(data: bytes) -> Measured | None:
    """What they hold; None of bytes that are none of ours."""
    head, _, rest = data.partition(b"\n")
    try:
        values: object = parse_json(head)
        if not is_table(values):
            return None
        restored = _restored(values, rest)
        told = values[FACE]
        restored[FACE] = FaceMeasured(**_restored(told, rest)) if is_table(told) else None
        return Measured(**restored)
    except (ValueError, TypeError, KeyError):
        return None


def packed_array(array: np.ndarray) -> bytes:
    """A picture (H, W, 3) uint8."""
    return np.array(array.shape, dtype="<i4").tobytes() + np.ascontiguousarray(array).tobytes()


def unpacked_array(data: bytes) -> np.ndarray:
    """The picture; an empty one of bytes that are none."""
    if len(data) < 12:
        return np.empty((0, 0, 3), dtype=np.uint8)
    shape = tuple(int(one) for one in np.frombuffer(data[:12], dtype="<i4"))
    return np.frombuffer(data[12:], dtype=np.uint8).reshape(shape)


def _plain(one: Measured | FaceMeasured, arrays: list[bytes]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields(one):
        value: Any = getattr(one, field.name)
        if isinstance(value, np.ndarray):
            array = cast("np.ndarray", value)
            start = sum(map(len, arrays))
            arrays.append(np.ascontiguousarray(array).tobytes())
            found[field.name] = {"at": start, "type": str(array.dtype), "shape": list(array.shape)}
        elif field.name != FACE:
            found[field.name] = value
    return found


def _restored(values: dict[str, object], rest: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name == FACE:
            continue
        if is_table(value):
            found[name] = _array(cast("dict[str, Any]", value), rest)
        elif name in TUPLES and is_list(value):
            found[name] = tuple(tuple(one) if is_list(one) else one for one in value)
        else:
            found[name] = value
    return found


def _array(told: dict[str, Any], rest: bytes) -> np.ndarray:
    shape: list[int] = told["shape"]
    count = int(np.prod(shape)) if shape else 1
    return np.frombuffer(rest, dtype=str(told["type"]), count=count, offset=int(told["at"])).reshape(shape)
