"""Measured values <-> bytes: a line of JSON, then the arrays as they lie in memory."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np

from foundation.typed.json_values import parse_json
from trainer.checking.measures.measured import FaceMeasured, Measured

# Raise it when the same picture comes to other values.
VERSION = 1
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
        values: Any = parse_json(head)
        face = None if values[FACE] is None else FaceMeasured(**_restored(values[FACE], rest))
        return Measured(**{**_restored(values, rest), FACE: face})
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
        value = getattr(one, field.name)
        if isinstance(value, np.ndarray):
            start = sum(map(len, arrays))
            arrays.append(np.ascontiguousarray(value).tobytes())
            found[field.name] = {"at": start, "type": str(value.dtype), "shape": list(value.shape)}
        elif field.name != FACE:
            found[field.name] = value
    return found


def _restored(values: dict[str, Any], rest: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            if name == FACE:
                continue
            count = int(np.prod(value["shape"]))
            found[name] = np.frombuffer(rest, dtype=value["type"], count=count, offset=value["at"]).reshape(
                value["shape"]
            )
        elif name in TUPLES:
            found[name] = tuple(tuple(one) if isinstance(one, list) else one for one in value)
        else:
            found[name] = value
    return found
