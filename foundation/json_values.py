"""JSON with a type: what is asked with `isinstance` of a parsed value stays known all the way down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue


def parse_json(text: str | bytes) -> JsonValue:
    """The value that the text is. Raises json.JSONDecodeError, a ValueError with line and column, where it is none."""
    return json.loads(text)
