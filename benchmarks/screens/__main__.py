"""A command's terminal as a picture, for docs/screens: `python benchmarks/screens FILE.png -- COMMAND...`.

The command runs in a terminal of 80 columns of its own. With `--until TEXT` the picture is of the first moment at which
the screen shows it, and the command is stopped there. Needs a system with pseudo terminals and DejaVu Sans Mono.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import shlex
import signal
import struct
import sys
import termios
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from screens.screen import Look, Screen

FONTS = ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf")
SIZE, LINE, EDGE = 15, 20, 14
PAPER, INK, DIM = "#ffffff", "#1b1f24", "#767f89"
COLOURS = {1: "#b42318", 2: "#1a7f37", 3: "#8a6100", 4: "#0550ae", 5: "#7d3bb8", 6: "#0b6e7d"}
SHADES = 64


def asked() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=80, help="columns (80)")
    parser.add_argument("--until", metavar="TEXT", help="a pattern: stop where the screen shows it")
    parser.add_argument("--lines", type=int, default=45, help="lines of the picture at most, from the top (45)")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def screen_of(command: list[str], width: int, until: str | None) -> Screen:
    """Run `command` in a terminal of `width` columns; what it shows in the end, or once it shows `until`."""
    child, end = pty.fork()
    if child == 0:
        os.execvpe(command[0], command, {**os.environ, "TERM": "xterm", "COLUMNS": str(width)})
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    screen, rest = Screen(width), b""
    while piece := _read(end):
        text, rest = _decoded(rest + piece)
        screen.feed(text)
        if until and re.search(until, screen.text()):
            os.kill(child, signal.SIGKILL)
            break
    os.close(end)
    os.waitpid(child, 0)
    return screen


def _read(end: int) -> bytes:
    try:
        return os.read(end, 65536)
    except OSError:  # the child is gone
        return b""


def _decoded(output: bytes) -> tuple[str, bytes]:
    """The text, and the bytes of a letter or an order of the terminal that is not whole yet."""
    begun = re.search(rb"(?:\x1b(?:\[[?0-9;]*)?|[\xc2-\xf4][\x80-\xbf]{0,2})$", output)
    cut = len(output) if begun is None else begun.start()
    try:
        return output[:cut].decode(), output[cut:]
    except UnicodeDecodeError:
        return output.decode(errors="replace"), b""


def drawn(screen: Screen, command: list[str], most: int) -> Image.Image:
    """The screen below the command that was typed."""
    typed = Screen(screen.width)
    typed.feed("$ " + shlex.join("python" if word == sys.executable else word for word in command))
    shown = list(screen.lines)
    while shown and not shown[-1]:
        shown.pop()
    lines = [*typed.lines, *shown][:most]
    plain, bold = (ImageFont.truetype(name, SIZE) for name in FONTS)
    advance = plain.getlength("M")
    size = round(screen.width * advance) + 2 * EDGE, len(lines) * LINE + 2 * EDGE
    picture = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(picture)
    for row, line in enumerate(lines):
        for column, (letter, look) in enumerate(line):
            place = EDGE + column * advance, EDGE + row * LINE
            pen.text(place, letter, fill=_ink(look), font=bold if look.is_bold else plain)
    return picture.quantize(SHADES)


def _ink(look: Look) -> str:
    return COLOURS.get(look.colour or 0, DIM if look.is_dim else INK)


def main() -> None:
    """Run, draw, write."""
    wanted = asked()
    screen = screen_of(wanted.command, wanted.width, wanted.until)
    wanted.picture.parent.mkdir(parents=True, exist_ok=True)
    drawn(screen, wanted.command, wanted.lines).save(wanted.picture, optimize=True)
    print(f"wrote {wanted.picture}: {wanted.picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
