"""Pictures of the terminal for the docs show what a terminal would."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image, ImageFont

from screens.__main__ import FONTS, drawn, screen_of
from screens.screen import Look, Screen

ROOT = Path(__file__).resolve().parents[2]


def test_lines_are_wrapped_coloured_erased_and_written_over() -> None:
    screen = Screen(8)
    screen.feed("one\x1b[1;32mTWO\x1b[0m three\r\n")
    assert screen.text() == "oneTWO t\nhree\n"
    assert screen.lines[0][3] == ("T", Look(colour=2, is_bold=True))
    screen.feed("bar 1\r\x1b[2Kbar 2\r\n\x1b[?25l\x1b[1A\x1b[2Kend")
    assert screen.text() == "oneTWO t\nhree\nend\n"


def _has_font() -> bool:
    try:
        ImageFont.truetype(FONTS[0])
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_font(), reason="no DejaVu Sans Mono here")
def test_a_command_is_drawn_as_it_stands() -> None:
    code = "import sys; print(sys.stdout.isatty(), '━' * 70); print('\\x1b[33myellow\\x1b[0m')"
    command = [sys.executable, "-c", code]
    screen = screen_of(command, 80, None)
    assert screen.text().splitlines()[0] == f"True {'━' * 70}"
    picture = drawn(screen, ["trainer"], 45)
    assert picture.mode == "P"
    assert picture.height == 3 * 20 + 2 * 14


def test_a_picture_of_a_moment_ends_the_command_there() -> None:
    code = "import time; print('one', flush=True); print('two', flush=True); time.sleep(600)"
    assert screen_of([sys.executable, "-c", code], 80, "two").text().split() == ["one", "two"]


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "screens").glob("*.png")), ids=lambda path: path.name)
def test_the_docs_pictures_are_small(path: Path) -> None:
    with Image.open(path) as picture:
        assert 600 < picture.width < 900
    assert path.stat().st_size < 80_000
