"""An optimizer's state as it is kept: copied on the device, or taken apart into tensors and JSON for a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from torch import Tensor

TENSOR, PAIRS, TUPLE = "$tensor", "$pairs", "$tuple"


def map_tensors(value: object, change: Callable[[Tensor], Tensor]) -> object:
    """The same nesting of dicts, lists and tuples with every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: map_tensors(one, change) for key, one in cast("dict[object, object]", value).items()}
    if isinstance(value, list):
        return [map_tensors(one, change) for one in cast("list[object]", value)]
    if isinstance(value, tuple):
        return tuple(map_tensors(one, change) for one in cast("tuple[object, ...]", value))
    return value


def tensors_apart(value: object, tensors: dict[str, Tensor]) -> object:
    """A form of `value` that JSON holds exactly; its tensors go into `tensors` under names of their own."""
    if isinstance(value, Tensor):
        name = f"optimizer/{len(tensors)}"
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {TENSOR: name}
    if isinstance(value, dict):
        pairs = cast("dict[object, object]", value).items()
        return {PAIRS: [[key, tensors_apart(one, tensors)] for key, one in pairs]}
    if isinstance(value, list):
        return [tensors_apart(one, tensors) for one in cast("list[object]", value)]
    if isinstance(value, tuple):
        return {TUPLE: [tensors_apart(one, tensors) for one in cast("tuple[object, ...]", value)]}
    return value


def tensors_rejoined(value: object, tensors: dict[str, Tensor]) -> object:
    """What `tensors_apart` took apart."""
    if isinstance(value, list):
        return [tensors_rejoined(one, tensors) for one in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    [(kind, inner)] = cast("dict[str, object]", value).items()
    if kind == TENSOR:
        return tensors[str(inner)]
    if kind == TUPLE:
        return tuple(tensors_rejoined(one, tensors) for one in cast("list[object]", inner))
    return {key: tensors_rejoined(one, tensors) for key, one in cast("list[tuple[object, object]]", inner)}
