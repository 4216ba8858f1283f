"""JSON that a stranger's file holds: of bounded size, and every step down into it checked."""

from __future__ import annotations

from eval.importing.metadata.told import UnclearPictureError
from foundation.typed.json_values import is_list, is_table, parse_json

MOST_JSON = 4 * 2**20  # characters; the largest of real workflows have two million


def parsed(text: str, what: str) -> object:
    """The value of a JSON text. Raises UnclearPictureError for what is none, or too large to be read."""
    if len(text) > MOST_JSON:
        raise UnclearPictureError(f"its {what} has {len(text):,} characters; more than {MOST_JSON:,} are not read")
    try:
        return parse_json(text)
    except ValueError as error:
        raise UnclearPictureError(f"its {what} is no JSON that can be read") from error


def table_of(value: object, what: str) -> dict[str, object]:
    """A JSON object. Raises UnclearPictureError."""
    if not is_table(value):
        raise UnclearPictureError(f"its {what} is no JSON object")
    return value


def below(value: object, *keys: str) -> object:
    """What stands under `keys`, one in another, or None."""
    for key in keys:
        value = value.get(key) if is_table(value) else None
    return value


def listed(value: object) -> list[object]:
    """A JSON list; anything else is an empty one."""
    return value if is_list(value) else []


def text_at(value: object, *keys: str) -> str:
    """The text under `keys`, or ""."""
    found = below(value, *keys)
    return found if isinstance(found, str) else ""
