"""Cutting a stream into lists, for what is asked or written many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items, the last of what is left."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
