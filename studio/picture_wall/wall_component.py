"""Our own component: a wall of pictures with a viewer, in the page itself and without a build step."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import streamlit as st

from foundation.text_files import read_text
from foundation.typed.untyped import untyped
from studio.picture_wall.wall_data import Told

NAME = "lora_studio_picture_wall"
HERE = Path(__file__).parent


def picture_wall(told: Told, key: str, on_chosen: Callable[[], None]) -> tuple[int, int] | None:
    """Show a wall. What a visitor chose in this very run, as (row, column) of its tiles, or None.

    Everything in `told` is text to the component: it makes elements, never markup.
    """
    mount = untyped(st).components.v2.component(NAME, css=_asset("wall.css"), js=_asset("wall.js"))
    # In a list, for of each value in a dict Streamlit asks whether it is a table, and loads pandas to ask.
    found: object = mount(data=[told], key=key, on_chosen_change=on_chosen).chosen
    return _tile_named(found)


def _tile_named(found: object) -> tuple[int, int] | None:
    """The browser's answer, which may be anything."""
    match found:
        case {"row": int(row), "column": int(column)}:
            return row, column
        case _:
            return None


@cache
def _asset(name: str) -> str:
    return read_text(HERE / name)
