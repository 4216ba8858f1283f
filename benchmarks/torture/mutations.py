"""Sound bytes -> broken ones: the same draw gives the same ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

NUMBER = re.compile(rb"-?\d+(\.\d+)?")
TOKEN = re.compile(rb'"[^"\n]{0,60}"|true|false|null|-?\d+(\.\d+)?')
NUMBERS = (
    b"-1",
    b"0",
    b"1",
    b"2147483648",
    b"99999999999999999999",
    b"1e999",
    b"NaN",
    b"-Infinity",
    b"9" * 5000,
    b"0.5",
)
TOKENS = (
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"true",
    b"[[1]]",
    b'{"a": 1}',
    b"3",
    b'"\\ud800"',
    b'"' + b"a" * 3000 + b'"',
    b"\xff",
)
TEXTS = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"[" * 5000,
    b"{" * 5000,
    b"(" * 300,
    b"..",
    b"/",
    b"\r\n",
    b"[bold]",
    b"\xe2\x80\xae",
    b"<lora:",
    b"BREAK",
)
Change = Callable[[bytes, Random], bytes]


def mutated(data: bytes, others: Sequence[bytes], draw: Random) -> bytes:
    """Some of the ways to break it, one after the other."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        if draw.random() < 0.05 and others:
            other = draw.choice(others)
            data = data[: _place(data, draw)] + other[_place(other, draw) :]
        else:
            data = draw.choice(CHANGES)(data, draw)
    return data


def _place(data: bytes, draw: Random) -> int:
    """Anywhere, but often near the beginning, where headers are."""
    return draw.randint(0, min(len(data), 256) if draw.random() < 0.4 else len(data))


def _flip(data: bytes, draw: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.randint(1, 8) if data else 0):
        changed[min(_place(data, draw), len(data) - 1)] = draw.randrange(256)
    return bytes(changed)


def _cut(data: bytes, draw: Random) -> bytes:
    return data[: _place(data, draw)]


def _without(data: bytes, draw: Random) -> bytes:
    start = _place(data, draw)
    return data[:start] + data[start + draw.randint(1, 64) :]


def _twice(data: bytes, draw: Random) -> bytes:
    start = _place(data, draw)
    piece = data[start : start + draw.randint(1, 512)]
    return data[:start] + piece * draw.choice((2, 2, 50)) + data[start + len(piece) :]


def _filled(data: bytes, draw: Random) -> bytes:
    start, length = _place(data, draw), draw.choice((1, 4, 8, 64))
    return data[:start] + draw.choice((b"\x00", b"\xff", b"\x80")) * length + data[start + length :]


def _inserted(data: bytes, draw: Random) -> bytes:
    start = _place(data, draw)
    return data[:start] + draw.choice(TEXTS) + data[start:]


def _replaced(pattern: re.Pattern[bytes], others: Sequence[bytes]) -> Change:
    def change(data: bytes, draw: Random) -> bytes:
        found = list(pattern.finditer(data[:200_000]))
        if not found:
            return _flip(data, draw)
        one = draw.choice(found)
        return data[: one.start()] + draw.choice(others) + data[one.end() :]

    return change


def _swapped(data: bytes, draw: Random) -> bytes:
    found = list(TOKEN.finditer(data[:200_000]))
    if len(found) < 2:
        return _flip(data, draw)
    one, other = sorted(draw.sample(found, 2), key=lambda match: match.start())
    return data[: one.start()] + other[0] + data[one.end() : other.start()] + one[0] + data[other.end() :]


CHANGES: tuple[Change, ...] = (
    _flip,
    _flip,
    _cut,
    _without,
    _twice,
    _filled,
    _inserted,
    _replaced(NUMBER, NUMBERS),
    _replaced(TOKEN, TOKENS),
    _swapped,
)
