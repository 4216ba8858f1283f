"""How far a job is, read off the end of its log: the very lines that the command says in a terminal."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

from foundation.files import opened_file
from foundation.printing import printable
from studio.languages.translation import tr

TAIL = 64 * 1024  # bytes of a log's end
LONGEST_LINE = 2000  # characters; a log's lines are a command's, but what they name may be a stranger's
# As `foundation.terminal.works` writes them: `rendering: 12/40, 0:30 left, 1.2 s/picture`.
COUNTED = re.compile(
    r"(?P<title>.+?): (?P<done>\d{1,12})/(?P<total>\d{1,12}), (?P<time>[\d:]{4,12}) (?P<what>left|so far)"
)
UNCOUNTED = re.compile(r"(?P<title>.+?): (?P<time>[\d:]{4,12}) so far$")


@dataclass(frozen=True)
class Progress:
    """What a job does now: `share` of it (0 to 1) and `left` seconds, None where they are not known."""

    title: str
    share: float | None = None
    left: float | None = None
    counted: str = ""


def tail_of(path: Path, most: int = TAIL) -> str:
    """The end of a text file, whatever is in it, from the beginning of a line; "" where there is none."""
    try:
        with opened_file(path) as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - most))
            text = stream.read(most).decode("utf-8", errors="replace")
    except OSError:
        return ""
    whole = text if size <= most else text.partition("\n")[2]
    return "\n".join(_shortened(line) for line in printable(whole.replace("\r", "\n")).split("\n")).strip("\n")


def progress_in(log: Path, now: float | None = None) -> Progress | None:
    """The last that a log says of progress; None where its last line is none. `now` is seconds since 1970."""
    lines = tail_of(log, 8 * 1024).split("\n")
    found = _progress(lines[-1])
    if found is None or found.left is None:
        return found
    since = (time.time() if now is None else now) - _changed(log)
    return Progress(found.title, found.share, max(0.0, found.left - max(0.0, since)), found.counted)


def last_line(log: Path) -> str:
    """What a log says last."""
    return tail_of(log, 8 * 1024).rpartition("\n")[2]


def seconds_of(clock: str) -> float:
    """`1:02:03` as seconds."""
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part or 0)
    return float(seconds)


def _progress(line: str) -> Progress | None:
    if found := COUNTED.match(line):
        done, total = int(found["done"]), int(found["total"])
        left = seconds_of(found["time"]) if found["what"] == "left" else None
        return Progress(
            found["title"],
            min(1.0, done / total) if total else None,
            left,
            tr("{done} of {total}", done=done, total=total),
        )
    if found := UNCOUNTED.match(line):
        return Progress(found["title"])
    return None


def _changed(log: Path) -> float:
    try:
        return log.stat().st_mtime
    except OSError:
        return 0.0


def _shortened(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} …"
