"""The one reader of text files: Unicode with or without a byte order mark, any line ends; JSON out of such a file.

What is no text is one error that says where: which file, which byte, what to do.
"""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.errors import ConfigurationError, MissingFileError
from foundation.files import bytes_within, opened_file, read_at_most, why_unopenable
from foundation.typed.json_values import TOO_DEEP, parse_json

if TYPE_CHECKING:
    from pydantic import JsonValue

# By the mark at the beginning; UTF-32's begins with UTF-16's, so it is looked for first.
MARKS = {
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF32_LE: "UTF-32-LE",
    codecs.BOM_UTF32_BE: "UTF-32-BE",
    codecs.BOM_UTF16_LE: "UTF-16-LE",
    codecs.BOM_UTF16_BE: "UTF-16-BE",
}
MARK, ZERO = "\ufeff", "\0"
# What nobody writes by hand, and a reader can still hold in memory several times.
MOST_BYTES = 2**26
MOST_OF_TABLES = 2**28  # a row each of a hundred thousands of pictures
MOST_OF_A_CAPTION = 2**16
ADVICE = "save the file as UTF-8 text"


class TextFileError(ConfigurationError):
    """A file that is no text, or not of the kind that it should be. `fault` says what is wrong, without the file."""

    def __init__(self, path: Path, fault: str, advice: str) -> None:
        self.path, self.fault = path, fault
        super().__init__(f"{path}: {fault}; {advice}")


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a file, without byte order mark, its lines ended by `\\n` alone.

    UTF-8, or UTF-16 and UTF-32 by their marks. Raises MissingFileError where there is none, TextFileError, which names
    the byte and its line, for what is no such text (GBK, Shift-JIS, Windows' code pages, a picture), and for more than
    `most` bytes, of which none is read.
    """
    if not path.exists() and not path.is_symlink():
        raise MissingFileError(f"{path}: no such file")
    if fault := why_unopenable(path):
        raise TextFileError(path, fault, "give a text file in its place")
    if (size := path.stat().st_size) > most:
        fault = f"has {size:,} bytes, and {most:,} are the most that is read of such a file"
        raise TextFileError(path, fault, "make it smaller, or see whether it is another kind of file")
    return _text_of(bytes_within(path, most), path)


def caption_text(path: Path) -> str:
    """The text of a caption file. Raises what `read_text` does, and far sooner for too many bytes."""
    return read_text(path, MOST_OF_A_CAPTION)


def is_text(text: str) -> bool:
    """Whether a text can be written as UTF-8: names of files that are none, and `\\ud800` in JSON, come as halves."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_utf8(whole: bytes) -> bool:
    """Whether a text's bytes are UTF-8, which is all that other programs read."""
    mark = next((mark for mark in MARKS if whole.startswith(mark)), b"")
    return MARKS.get(mark, "UTF-8") == "UTF-8"


def legible_text(path: Path) -> str:
    """The same where it is only shown: what cannot be read becomes a replacement character, and nothing is an error."""
    if why_unopenable(path):
        return ""
    with opened_file(path) as stream:
        return _one_kind_of_ends(read_at_most(stream, MOST_BYTES).decode("utf-8-sig", errors="replace"))


def read_json(path: Path) -> JsonValue:
    """The value in a JSON file. Raises what `read_text` does, and TextFileError for what is no JSON."""
    text = read_text(path)
    try:
        return parse_json(text)
    except ValueError as error:
        raise TextFileError(path, f"is not valid JSON ({parsing_fault(error)})", "mend that place") from error


def parsing_fault(error: ValueError | RecursionError) -> str:
    """Why a text could not be parsed, in words for who wrote it."""
    if isinstance(error, RecursionError):
        return TOO_DEEP
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, at line {error.lineno}, column {error.colno}"
    return "a whole number of thousands of digits" if "integer string conversion" in str(error) else str(error)


def _text_of(whole: bytes, path: Path) -> str:
    mark = next((mark for mark in MARKS if whole.startswith(mark)), b"")
    encoding = MARKS.get(mark, "UTF-8")
    try:
        text = whole[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise TextFileError(path, _where(whole, len(mark) + error.start, encoding), ADVICE) from error
    if ZERO in text:
        # No text has it; what was saved as UTF-16 without a mark has one in every letter.
        at = len(mark) + len(text[: text.index(ZERO)].encode(encoding))
        raise TextFileError(path, _where(whole, at, encoding), ADVICE)
    return _one_kind_of_ends(text.lstrip(MARK))


def _where(whole: bytes, at: int, encoding: str) -> str:
    name, line = encoding.removesuffix("-LE").removesuffix("-BE"), whole.count(b"\n", 0, at) + 1
    return f"is not {name} text: byte {at}, in line {line}, is 0x{whole[at]:02X}"


def _one_kind_of_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
