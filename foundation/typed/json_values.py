"""JSON and TOML with types: what is asked of a parsed value stays known all the way down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from pydantic import JsonValue

TOO_DEEP = "brackets within brackets, deeper than can be read"


def parse_json(text: str | bytes) -> JsonValue:
    """The value that the text is. Raises ValueError where it is none: json.JSONDecodeError, with line and column."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether a value of a JSON or TOML file is a list."""
    return isinstance(value, list)


def is_table(value: object) -> TypeGuard[dict[str, object]]:
    """Whether a value of a JSON or TOML file is a table; its keys are texts."""
    return isinstance(value, dict)
